using System.Collections.Generic;

namespace DotnetCodec
{
    /// <summary>The data of meta messages: Update Agent (MTA-1), Get Agent Root Path (MTA-3), Open Session (RTE-2).</summary>
    static class Messages
    {
        // An empty name, a time and an empty array<byte>: 1 + 8 + 4 bytes.
        const int SmallestUpdateFile = 13;

        public static readonly WireType UpdateFile = new WireType(EncodeUpdateFile, DecodeUpdateFile);
        public static readonly WireType UpdateAgent = new WireType(EncodeUpdateAgent, DecodeUpdateAgent);
        public static readonly WireType GetRootPath = new WireType(EncodeGetRootPath, DecodeGetRootPath);
        public static readonly WireType OpenSession = new WireType(EncodeOpenSession, DecodeOpenSession);

        static void EncodeUpdateFile(JsonValue value, DataWriter data)
        {
            data.WriteText(value.Required("name").ToText("name"), "name");
            data.WriteDateTime(Types.ToDateTime(value.Required("modified_ticks"), "modified_ticks"));
            data.WriteByteArray(value.Required("contents").ToBytes("contents"));
        }

        static void DecodeUpdateFile(DataReader data, JsonWriter answer)
        {
            answer.Raw("{\"name\":");
            answer.Text(data.ReadText("name"));
            answer.Raw(",\"modified_ticks\":");
            answer.DecimalText(data.ReadDateTime("modified").Ticks);
            answer.Raw(",\"contents\":");
            answer.HexText(data.ReadByteArray("contents"));
            answer.Raw("}");
        }

        static void EncodeUpdateAgent(JsonValue value, DataWriter data)
        {
            data.WriteByte(value.Required("agent_type").ToByte("agent_type"));
            EncodeUpdateFiles(value, "assemblies", data);
            EncodeUpdateFiles(value, "extensions", data);
        }

        static void DecodeUpdateAgent(DataReader data, JsonWriter answer)
        {
            answer.Raw("{\"agent_type\":");
            answer.Number(data.ReadByte("agent type"));
            answer.Raw(",\"assemblies\":");
            DecodeUpdateFiles(data, "assemblies", answer);
            answer.Raw(",\"extensions\":");
            DecodeUpdateFiles(data, "extensions", answer);
            answer.Raw("}");
        }

        static void EncodeUpdateFiles(JsonValue value, string name, DataWriter data)
        {
            List<JsonValue> files = value.Required(name).ToItems(name);
            data.WriteInt32(files.Count);
            foreach (JsonValue file in files) EncodeUpdateFile(file, data);
        }

        static void DecodeUpdateFiles(DataReader data, string field, JsonWriter answer)
        {
            int count = data.ReadCount(field, SmallestUpdateFile);
            answer.Raw("[");
            for (int i = 0; i < count; i++)
            {
                if (i > 0) answer.Raw(",");
                DecodeUpdateFile(data, answer);
            }
            answer.Raw("]");
        }

        static void EncodeGetRootPath(JsonValue value, DataWriter data)
        {
            data.WriteByte(value.Required("agent_type").ToByte("agent_type"));
        }

        static void DecodeGetRootPath(DataReader data, JsonWriter answer)
        {
            answer.Raw("{\"agent_type\":");
            answer.Number(data.ReadByte("agent type"));
            answer.Raw("}");
        }

        static void EncodeOpenSession(JsonValue value, DataWriter data)
        {
            data.WriteByte(value.Required("agent_type").ToByte("agent_type"));
            data.WriteInt32(value.Required("session").ToInt32("session"));
        }

        static void DecodeOpenSession(DataReader data, JsonWriter answer)
        {
            answer.Raw("{\"agent_type\":");
            answer.Number(data.ReadByte("agent type"));
            answer.Raw(",\"session\":");
            answer.Number(data.ReadInt32("session"));
            answer.Raw("}");
        }
    }
}
