using System;

namespace DotnetCodec
{
    /// <summary>A request that gets an error answer: its kind, and the offset of the fault in malformed bytes.</summary>
    sealed class CodecException : Exception
    {
        CodecException(string kind, string message, int? offset) : base(message)
        {
            Kind = kind;
            Offset = offset;
        }

        public string Kind { get; }

        public int? Offset { get; }

        public static CodecException Usage(string message)
        {
            return new CodecException("usage", message, null);
        }

        public static CodecException Unsupported(string message)
        {
            return new CodecException("unsupported", message, null);
        }

        /// <summary>DAT-5: a decoder names the field that is wrong and the offset of its first byte.</summary>
        public static CodecException Malformed(int offset, string message)
        {
            return new CodecException("malformed", message, offset);
        }

        /// <summary>AES-6: the same answer whichever check failed, so that nothing can be learnt from it.</summary>
        public static CodecException Crypto()
        {
            return new CodecException("crypto", "the message does not decrypt", null);
        }
    }
}
