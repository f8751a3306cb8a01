using System;
using System.Globalization;
using System.Text;

namespace DotnetCodec
{
    /// <summary>Collects answers as UTF-8 bytes. What was written last can be taken back when it ends in an error.</summary>
    sealed class JsonWriter
    {
        static readonly UTF8Encoding Utf8 = new UTF8Encoding(false);
        static readonly byte[] Digits = Encoding.ASCII.GetBytes("0123456789abcdef");

        public byte[] Buffer { get; private set; } = new byte[64 * 1024];

        public int Length { get; private set; }

        public void Truncate(int length)
        {
            Length = length;
        }

        /// <summary>JSON as it stands: brackets, names, commas, words.</summary>
        public void Raw(string json)
        {
            Append(json, 0, json.Length);
        }

        public void Number(long number)
        {
            Raw(number.ToString(CultureInfo.InvariantCulture));
        }

        /// <summary>64 bits do not fit a double, so they travel as text.</summary>
        public void DecimalText(long number)
        {
            Raw("\"");
            Number(number);
            Raw("\"");
        }

        public void Text(string text)
        {
            Raw("\"");
            int written = 0;
            for (int i = 0; i < text.Length; i++)
            {
                char character = text[i];
                if (character >= ' ' && character != '"' && character != '\\') continue;
                Append(text, written, i - written);
                Raw(Escape(character));
                written = i + 1;
            }
            Append(text, written, text.Length - written);
            Raw("\"");
        }

        public void HexText(byte[] bytes)
        {
            Reserve(bytes.Length * 2 + 2);
            Buffer[Length++] = (byte)'"';
            foreach (byte value in bytes)
            {
                Buffer[Length++] = Digits[value >> 4];
                Buffer[Length++] = Digits[value & 15];
            }
            Buffer[Length++] = (byte)'"';
        }

        static string Escape(char character)
        {
            if (character == '"') return "\\\"";
            if (character == '\\') return "\\\\";
            return "\\u" + ((int)character).ToString("x4", CultureInfo.InvariantCulture);
        }

        void Append(string text, int start, int count)
        {
            Reserve(Utf8.GetMaxByteCount(count));
            Length += Utf8.GetBytes(text, start, count, Buffer, Length);
        }

        void Reserve(int count)
        {
            if (Buffer.Length - Length >= count) return;
            byte[] larger = new byte[Math.Max(Buffer.Length * 2, Length + count)];
            Array.Copy(Buffer, larger, Length);
            Buffer = larger;
        }
    }
}
