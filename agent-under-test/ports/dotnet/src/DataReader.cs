using System;
using System.IO;
using System.Text;

namespace DotnetCodec
{
    /// <summary>
    /// Reads with the runtime's own BinaryReader, Guid and DateTime. Before each of them comes a check that names the
    /// offset, because the runtime accepts some of what DAT-5 refuses, and says nowhere where it failed.
    /// </summary>
    sealed class DataReader
    {
        const int LongestPrefix = 5;

        // Throws on invalid UTF-8, where the encoding of the reader puts U+FFFD in its place.
        static readonly UTF8Encoding StrictUtf8 = new UTF8Encoding(false, true);

        readonly byte[] data;
        readonly MemoryStream stream;
        readonly BinaryReader reader;

        public DataReader(byte[] data)
        {
            this.data = data;
            stream = new MemoryStream(data, false);
            reader = new BinaryReader(stream, new UTF8Encoding(false));
        }

        public int Offset { get { return (int)stream.Position; } }

        public int Left { get { return data.Length - Offset; } }

        public sbyte ReadInt8(string field)
        {
            Need(1, field);
            return reader.ReadSByte();
        }

        public byte ReadByte(string field)
        {
            Need(1, field);
            return reader.ReadByte();
        }

        public int ReadInt32(string field)
        {
            Need(4, field);
            return reader.ReadInt32();
        }

        public long ReadInt64(string field)
        {
            Need(8, field);
            return reader.ReadInt64();
        }

        /// <summary>DAT-4: ticks, not the form of DateTime.ToBinary with the kind in the high bits.</summary>
        public DateTime ReadDateTime(string field)
        {
            int offset = Offset;
            long ticks = ReadInt64(field);
            if (ticks < DateTime.MinValue.Ticks || ticks > DateTime.MaxValue.Ticks)
                throw CodecException.Malformed(offset, field + ": ticks out of range");
            return new DateTime(ticks, DateTimeKind.Utc);
        }

        public Guid ReadGuid(string field)
        {
            return new Guid(ReadRaw(16, field));
        }

        /// <summary>Bytes without a count.</summary>
        public byte[] ReadRaw(int count, string field)
        {
            Need(count, field);
            return reader.ReadBytes(count);
        }

        /// <summary>DAT-3: a count, which must be able to fit the bytes left (DAT-5).</summary>
        public int ReadCount(string field, int smallestItem)
        {
            int offset = Offset;
            int count = ReadInt32(field);
            if (count < 0) throw CodecException.Malformed(offset, field + ": negative count");
            if ((long)count * smallestItem > Left)
                throw CodecException.Malformed(offset, field + ": count past the end of the data");
            return count;
        }

        /// <summary>DAT-3: array&lt;byte&gt;.</summary>
        public byte[] ReadByteArray(string field)
        {
            return reader.ReadBytes(ReadCount(field, 1));
        }

        /// <summary>DAT-2. Whatever is wrong, the fault is at the length prefix (DAT-5).</summary>
        public string ReadText(string field)
        {
            int prefix = Offset;
            int start;
            long length = CheckPrefix(field, out start);
            if (length > data.Length - start) throw CodecException.Malformed(prefix, field + ": length past the end of the data");
            CheckUtf8(start, (int)length, prefix, field);
            string text = reader.ReadString();
            if (Offset != start + length) throw new InvalidOperationException("BinaryReader.ReadString read another length");
            return text;
        }

        /// <summary>Looks at the prefix without taking it. More bytes than needed are as good (DAT-6).</summary>
        long CheckPrefix(string field, out int start)
        {
            int prefix = Offset;
            long length = 0;
            for (int i = 0; i < LongestPrefix; i++)
            {
                if (prefix + i >= data.Length) throw CodecException.Malformed(prefix, field + ": length prefix cut short");
                byte group = data[prefix + i];
                length |= (long)(group & 0x7f) << (7 * i);
                if (group >= 0x80) continue;
                if (length > uint.MaxValue) throw CodecException.Malformed(prefix, field + ": length prefix over 32 bits");
                start = prefix + i + 1;
                return length;
            }
            throw CodecException.Malformed(prefix, field + ": length prefix over 5 bytes");
        }

        void CheckUtf8(int start, int length, int prefix, string field)
        {
            try
            {
                StrictUtf8.GetCharCount(data, start, length);
            }
            catch (DecoderFallbackException)
            {
                throw CodecException.Malformed(prefix, field + ": invalid UTF-8");
            }
        }

        /// <summary>A field cut short is wrong itself, so its own first byte is the offset.</summary>
        void Need(int count, string field)
        {
            if (Left < count) throw CodecException.Malformed(Offset, field + ": cut short");
        }
    }
}
