using System;
using System.Collections.Generic;

namespace DotnetCodec
{
    /// <summary>HS-1: the client's 24 bytes. Only the protocol ID is checked, not whether the versions make sense.</summary>
    static class Handshake
    {
        static readonly Guid ProtocolId = new Guid("6CEBD24E-4AF7-4A13-B9AF-81D3DFC644BE");

        /// <summary>v1 and v2 differ in what the two int32 mean (HS-6, HS-7).</summary>
        public static WireType Layout(string first, string second)
        {
            return new WireType(
                (value, data) => Encode(value, first, second, data),
                (data, answer) => Decode(data, first, second, answer));
        }

        static void Encode(JsonValue value, string first, string second, DataWriter data)
        {
            data.WriteGuid(ProtocolId);
            data.WriteInt32(value.Required(first).ToInt32(first));
            data.WriteInt32(value.Required(second).ToInt32(second));
        }

        static void Decode(DataReader data, string first, string second, JsonWriter answer)
        {
            int offset = data.Offset;
            if (data.ReadGuid("protocol ID") != ProtocolId) throw CodecException.Malformed(offset, "protocol ID: another one");
            answer.Raw("{\"" + first + "\":");
            answer.Number(data.ReadInt32(first));
            answer.Raw(",\"" + second + "\":");
            answer.Number(data.ReadInt32(second));
            answer.Raw("}");
        }
    }

    /// <summary>HS-4: the agent's answer. Its server version is one int32 or four (HS-9), told apart by the bytes left.</summary>
    static class Acknowledgement
    {
        const sbyte Aes = 2;
        const int VectorLength = 16;

        public static readonly WireType Type = new WireType(Encode, Decode);

        static void Encode(JsonValue value, DataWriter data)
        {
            sbyte mode = value.Required("encryption").ToInt8("encryption");
            if (!IsMode(mode)) throw CodecException.Usage("encryption is not 0, 1 or 2");
            data.WriteInt8(mode);
            EncodeVector(value.Optional("iv"), mode, data);
            data.WriteInt32(value.Required("value").ToInt32("value"));
            EncodeServerVersion(value.Required("server_version").ToItems("server_version"), data);
        }

        static void EncodeVector(JsonValue vector, sbyte mode, DataWriter data)
        {
            if ((mode == Aes) != (vector != null)) throw CodecException.Usage("iv belongs to encryption 2, and to no other");
            if (vector != null) data.WriteRaw(vector.ToBytes("iv", VectorLength));
        }

        static void EncodeServerVersion(List<JsonValue> parts, DataWriter data)
        {
            if (parts.Count != 1 && parts.Count != 4)
                throw CodecException.Usage("server_version has neither one nor four numbers");
            foreach (JsonValue part in parts) data.WriteInt32(part.ToInt32("server_version"));
        }

        static void Decode(DataReader data, JsonWriter answer)
        {
            int offset = data.Offset;
            sbyte mode = data.ReadInt8("encryption");
            if (!IsMode(mode)) throw CodecException.Malformed(offset, "encryption: unknown mode");
            answer.Raw("{\"encryption\":");
            answer.Number(mode);
            answer.Raw(",\"iv\":");
            if (mode == Aes) answer.HexText(data.ReadRaw(VectorLength, "iv"));
            else answer.Raw("null");
            answer.Raw(",\"value\":");
            answer.Number(data.ReadInt32("value"));
            DecodeServerVersion(data, answer);
            answer.Raw("}");
        }

        static void DecodeServerVersion(DataReader data, JsonWriter answer)
        {
            if (data.Left != 4 && data.Left != 16)
                throw CodecException.Malformed(data.Offset, "server version: neither 4 nor 16 bytes");
            answer.Raw(",\"server_version\":[");
            answer.Number(data.ReadInt32("server version"));
            while (data.Left > 0)
            {
                answer.Raw(",");
                answer.Number(data.ReadInt32("server version"));
            }
            answer.Raw("]");
        }

        static bool IsMode(sbyte mode)
        {
            return mode >= 0 && mode <= Aes;
        }
    }
}
