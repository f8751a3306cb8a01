using System;
using System.Collections.Generic;

namespace DotnetCodec
{
    /// <summary>One type of the codec: from a JSON value to bytes, and from bytes to a JSON value.</summary>
    sealed class WireType
    {
        public WireType(Action<JsonValue, DataWriter> encode, Action<DataReader, JsonWriter> decode)
        {
            Encode = encode;
            Decode = decode;
        }

        public Action<JsonValue, DataWriter> Encode { get; }

        public Action<DataReader, JsonWriter> Decode { get; }
    }

    /// <summary>The types by name, and the plain data types (DAT-1 to DAT-4) among them.</summary>
    static class Types
    {
        const int LongestQuotation = 40;

        static readonly Dictionary<string, WireType> Plain = new Dictionary<string, WireType>(StringComparer.Ordinal)
        {
            { "int8", new WireType(EncodeInt8, (data, answer) => answer.Number(data.ReadInt8("int8"))) },
            { "byte", new WireType(EncodeByte, (data, answer) => answer.Number(data.ReadByte("byte"))) },
            { "int32", new WireType(EncodeInt32, (data, answer) => answer.Number(data.ReadInt32("int32"))) },
            { "int64", new WireType(EncodeInt64, (data, answer) => answer.DecimalText(data.ReadInt64("int64"))) },
            { "datetime", new WireType(EncodeDateTime, DecodeDateTime) },
            { "string", new WireType(EncodeText, (data, answer) => answer.Text(data.ReadText("string"))) },
            { "root_path", new WireType(EncodeText, (data, answer) => answer.Text(data.ReadText("root path"))) },
            { "guid", new WireType(EncodeGuid, (data, answer) => answer.Text(data.ReadGuid("guid").ToString("D"))) },
            { "bytes", new WireType(EncodeBytes, (data, answer) => answer.HexText(data.ReadByteArray("count"))) },
            { "update_file", Messages.UpdateFile },
            { "update_agent", Messages.UpdateAgent },
            { "get_root_path", Messages.GetRootPath },
            { "open_session", Messages.OpenSession },
            { "handshake_v1", Handshake.Layout("version", "session") },
            { "handshake_v2", Handshake.Layout("min", "max") },
            { "ack", Acknowledgement.Type },
            { "frame_client_v1", new Frame(true).Type },
            { "frame_client_v2", new Frame(false).Type },
            { "frame_agent", new Frame(false).Type },
        };

        static readonly Dictionary<string, Frame> Encrypted = new Dictionary<string, Frame>(StringComparer.Ordinal)
        {
            { "aes_frame_client_v1", new Frame(true) },
            { "aes_frame_client_v2", new Frame(false) },
            { "aes_frame_agent", new Frame(false) },
        };

        /// <summary>The type that a request names; AES frames take key, vector and padding from it.</summary>
        public static WireType Of(JsonValue request)
        {
            string name = request.Required("type").ToText("type");
            WireType type;
            Frame frame;
            if (Plain.TryGetValue(name, out type)) return type;
            if (Encrypted.TryGetValue(name, out frame)) return new AesFrame(frame, AesSettings.From(request)).Type;
            throw CodecException.Unsupported("unknown type " + Quote(name));
        }

        /// <summary>A name from a request, not longer than a message should be.</summary>
        public static string Quote(string name)
        {
            return name.Length <= LongestQuotation ? "'" + name + "'" : "of " + name.Length + " characters";
        }

        public static DateTime ToDateTime(JsonValue value, string name)
        {
            long ticks = value.ToDecimalText(name, DateTime.MinValue.Ticks, DateTime.MaxValue.Ticks);
            return new DateTime(ticks, DateTimeKind.Utc);
        }

        static void EncodeInt8(JsonValue value, DataWriter data)
        {
            data.WriteInt8(value.ToInt8("value"));
        }

        static void EncodeByte(JsonValue value, DataWriter data)
        {
            data.WriteByte(value.ToByte("value"));
        }

        static void EncodeInt32(JsonValue value, DataWriter data)
        {
            data.WriteInt32(value.ToInt32("value"));
        }

        static void EncodeInt64(JsonValue value, DataWriter data)
        {
            data.WriteInt64(value.ToDecimalText("value", long.MinValue, long.MaxValue));
        }

        static void EncodeDateTime(JsonValue value, DataWriter data)
        {
            data.WriteDateTime(ToDateTime(value, "value"));
        }

        static void DecodeDateTime(DataReader data, JsonWriter answer)
        {
            answer.DecimalText(data.ReadDateTime("datetime").Ticks);
        }

        static void EncodeText(JsonValue value, DataWriter data)
        {
            data.WriteText(value.ToText("value"), "value");
        }

        static void EncodeBytes(JsonValue value, DataWriter data)
        {
            data.WriteByteArray(value.ToBytes("value"));
        }

        /// <summary>The Guid class takes more forms than the one with dashes, so the text is checked first.</summary>
        static void EncodeGuid(JsonValue value, DataWriter data)
        {
            string text = value.ToText("value");
            if (!HasGuidForm(text)) throw CodecException.Usage("value is not a GUID of the form 8-4-4-4-12");
            data.WriteGuid(new Guid(text));
        }

        static bool HasGuidForm(string text)
        {
            if (text.Length != 36) return false;
            for (int i = 0; i < text.Length; i++)
            {
                bool dashDue = i == 8 || i == 13 || i == 18 || i == 23;
                if (dashDue ? text[i] != '-' : Hex.DigitValue(text[i]) < 0) return false;
            }
            return true;
        }
    }
}
