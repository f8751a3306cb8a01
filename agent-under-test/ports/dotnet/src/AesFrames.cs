using System.Security.Cryptography;

namespace DotnetCodec
{
    /// <summary>Key, vector and padding of a request (AES-2, AES-3, AES-5).</summary>
    sealed class AesSettings
    {
        public const int BlockLength = 16;

        public AesSettings(byte[] key, byte[] vector, PaddingMode padding)
        {
            Key = key;
            Vector = vector;
            Padding = padding;
        }

        public byte[] Key { get; }

        public byte[] Vector { get; }

        public PaddingMode Padding { get; }

        public static AesSettings From(JsonValue request)
        {
            byte[] key = request.Required("key").ToBytes("key");
            if (key.Length != 16 && key.Length != 32) throw CodecException.Usage("key has neither 32 nor 64 hexadecimal digits");
            byte[] vector = request.Required("iv").ToBytes("iv", BlockLength);
            return new AesSettings(key, vector, PaddingOf(request.Optional("padding")));
        }

        static PaddingMode PaddingOf(JsonValue padding)
        {
            string name = padding == null ? "pkcs7" : padding.ToText("padding");
            switch (name)
            {
                case "pkcs7": return PaddingMode.PKCS7;
                case "zeros": return PaddingMode.Zeros;
                default: throw CodecException.Usage("padding is neither pkcs7 nor zeros");
            }
        }

        public byte[] Encrypt(byte[] plain)
        {
            using (Aes aes = CreateAes())
            using (ICryptoTransform transform = aes.CreateEncryptor())
                return transform.TransformFinalBlock(plain, 0, plain.Length);
        }

        public byte[] Decrypt(byte[] encrypted)
        {
            using (Aes aes = CreateAes())
            using (ICryptoTransform transform = aes.CreateDecryptor())
                return transform.TransformFinalBlock(encrypted, 0, encrypted.Length);
        }

        Aes CreateAes()
        {
            Aes aes = Aes.Create();
            aes.Mode = CipherMode.CBC;
            aes.Padding = Padding;
            aes.Key = Key;
            aes.IV = Vector;
            return aes;
        }
    }

    /// <summary>AES-1: length of the encrypted part, and in it the next vector, the header of a frame, and data.</summary>
    sealed class AesFrame
    {
        readonly Frame frame;
        readonly AesSettings settings;

        public AesFrame(Frame frame, AesSettings settings)
        {
            this.frame = frame;
            this.settings = settings;
            Type = new WireType(Encode, Decode);
        }

        public WireType Type { get; }

        void Encode(JsonValue value, DataWriter data)
        {
            var plain = new DataWriter();
            plain.WriteRaw(value.Required("next_iv").ToBytes("next_iv", AesSettings.BlockLength));
            frame.EncodeHeader(value, plain);
            plain.WriteRaw(value.Required("data").ToBytes("data"));
            data.WriteByteArray(settings.Encrypt(plain.ToArray()));
        }

        void Decode(DataReader data, JsonWriter answer)
        {
            var plain = new DataReader(Open(ReadEncrypted(data)));
            if (plain.Left < AesSettings.BlockLength + frame.HeaderLength) throw CodecException.Crypto();
            answer.Raw("{\"next_iv\":");
            answer.HexText(plain.ReadRaw(AesSettings.BlockLength, "next vector"));
            answer.Raw(",");
            frame.DecodeHeader(plain, answer);
            answer.Raw("\"data\":");
            answer.HexText(plain.ReadRaw(plain.Left, "data"));
            answer.Raw("}");
        }

        /// <summary>No frame has a length that is not a positive multiple of 16 (AES-6), whatever follows it.</summary>
        static byte[] ReadEncrypted(DataReader data)
        {
            int offset = data.Offset;
            int length = data.ReadInt32("length");
            if (length <= 0 || length % AesSettings.BlockLength != 0) throw CodecException.Crypto();
            if (length > data.Left) throw CodecException.Malformed(offset, "length: past the end of the data");
            return data.ReadRaw(length, "encrypted part");
        }

        /// <summary>
        /// The plaintext, with PKCS7 without its padding. How closely padding is looked at may differ between the AES
        /// classes; CBC is one to one, so it was 1 to 16 equal bytes exactly if encrypting again gives the same bytes.
        /// With zeros nothing is taken off: what the data were before padding cannot be told (AES-3).
        /// </summary>
        byte[] Open(byte[] encrypted)
        {
            byte[] plain;
            try
            {
                plain = settings.Decrypt(encrypted);
            }
            catch (CryptographicException)
            {
                throw CodecException.Crypto();
            }
            bool checkable = settings.Padding == PaddingMode.PKCS7;
            if (checkable && !SameBytes(settings.Encrypt(plain), encrypted)) throw CodecException.Crypto();
            return plain;
        }

        static bool SameBytes(byte[] left, byte[] right)
        {
            if (left.Length != right.Length) return false;
            for (int i = 0; i < left.Length; i++)
            {
                if (left[i] != right[i]) return false;
            }
            return true;
        }
    }
}
