using System;
using System.IO;
using System.Text;

namespace DotnetCodec
{
    /// <summary>Writes with the runtime's own BinaryWriter, Guid and DateTime.</summary>
    sealed class DataWriter
    {
        static readonly UTF8Encoding StrictUtf8 = new UTF8Encoding(false, true);

        readonly MemoryStream stream = new MemoryStream();
        readonly BinaryWriter writer;

        public DataWriter()
        {
            writer = new BinaryWriter(stream, new UTF8Encoding(false));
        }

        public byte[] ToArray()
        {
            writer.Flush();
            return stream.ToArray();
        }

        public void WriteInt8(sbyte value)
        {
            writer.Write(value);
        }

        public void WriteByte(byte value)
        {
            writer.Write(value);
        }

        public void WriteInt32(int value)
        {
            writer.Write(value);
        }

        public void WriteInt64(long value)
        {
            writer.Write(value);
        }

        public void WriteDateTime(DateTime value)
        {
            writer.Write(value.Ticks);
        }

        public void WriteGuid(Guid value)
        {
            writer.Write(value.ToByteArray());
        }

        /// <summary>Half a surrogate pair has no UTF-8; the writer would put U+FFFD in its place.</summary>
        public void WriteText(string value, string name)
        {
            try
            {
                StrictUtf8.GetByteCount(value);
            }
            catch (EncoderFallbackException)
            {
                throw CodecException.Usage(name + " holds half a surrogate pair");
            }
            writer.Write(value);
        }

        /// <summary>DAT-3: array&lt;byte&gt;.</summary>
        public void WriteByteArray(byte[] value)
        {
            writer.Write(value.Length);
            writer.Write(value);
        }

        /// <summary>Bytes without a count.</summary>
        public void WriteRaw(byte[] value)
        {
            writer.Write(value);
        }
    }
}
