using System;
using System.Collections.Generic;
using System.Globalization;

namespace DotnetCodec
{
    /// <summary>Takes values out of requests. Whatever is not as it must be is usage, and named in the message.</summary>
    static class Values
    {
        /// <summary>A member, or null if it is missing. An explicit null counts as missing.</summary>
        public static JsonValue Optional(this JsonValue value, string name)
        {
            JsonValue member;
            if (value.Kind != JsonKind.Object) throw CodecException.Usage("the value is not an object");
            if (!value.Members.TryGetValue(name, out member) || member.Kind == JsonKind.Null) return null;
            return member;
        }

        public static JsonValue Required(this JsonValue value, string name)
        {
            JsonValue member = value.Optional(name);
            if (member == null) throw CodecException.Usage(name + " is missing");
            return member;
        }

        public static string ToText(this JsonValue value, string name)
        {
            if (value.Kind != JsonKind.Text) throw CodecException.Usage(name + " is not a string");
            return value.Text;
        }

        public static List<JsonValue> ToItems(this JsonValue value, string name)
        {
            if (value.Kind != JsonKind.List) throw CodecException.Usage(name + " is not a list");
            return value.Items;
        }

        public static byte[] ToBytes(this JsonValue value, string name)
        {
            byte[] bytes = Hex.TryParse(value.ToText(name));
            if (bytes == null) throw CodecException.Usage(name + " is not hexadecimal");
            return bytes;
        }

        public static byte[] ToBytes(this JsonValue value, string name, int length)
        {
            byte[] bytes = value.ToBytes(name);
            if (bytes.Length != length) throw CodecException.Usage(name + " is not of " + length + " bytes");
            return bytes;
        }

        public static sbyte ToInt8(this JsonValue value, string name)
        {
            return (sbyte)value.ToInteger(name, sbyte.MinValue, sbyte.MaxValue);
        }

        public static byte ToByte(this JsonValue value, string name)
        {
            return (byte)value.ToInteger(name, byte.MinValue, byte.MaxValue);
        }

        public static int ToInt32(this JsonValue value, string name)
        {
            return (int)value.ToInteger(name, int.MinValue, int.MaxValue);
        }

        /// <summary>64 bits travel as decimal strings: a JSON number may have passed through a double.</summary>
        public static long ToDecimalText(this JsonValue value, string name, long smallest, long largest)
        {
            return ParseInteger(value.ToText(name), name, smallest, largest);
        }

        static long ToInteger(this JsonValue value, string name, long smallest, long largest)
        {
            if (value.Kind != JsonKind.Number) throw CodecException.Usage(name + " is not a number");
            return ParseInteger(value.Text, name, smallest, largest);
        }

        static long ParseInteger(string text, string name, long smallest, long largest)
        {
            long number;
            if (!IsDecimal(text)) throw CodecException.Usage(name + " is not an integer");
            bool fits = long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number);
            if (!fits || number < smallest || number > largest) throw CodecException.Usage(name + " is out of range");
            return number;
        }

        /// <summary>TryParse alone would take more than that: a plus sign, or NUL characters at the end.</summary>
        static bool IsDecimal(string text)
        {
            int first = text.StartsWith("-", StringComparison.Ordinal) ? 1 : 0;
            for (int i = first; i < text.Length; i++)
            {
                if (text[i] < '0' || text[i] > '9') return false;
            }
            return text.Length > first;
        }
    }
}
