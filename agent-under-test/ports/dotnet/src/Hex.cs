namespace DotnetCodec
{
    /// <summary>Hexadecimal digits, without blanks or prefix, in either case.</summary>
    static class Hex
    {
        /// <summary>The bytes, or null if the text is not hexadecimal or has an odd number of digits.</summary>
        public static byte[] TryParse(string text)
        {
            if (text.Length % 2 != 0) return null;
            byte[] bytes = new byte[text.Length / 2];
            for (int i = 0; i < bytes.Length; i++)
            {
                int high = DigitValue(text[2 * i]);
                int low = DigitValue(text[2 * i + 1]);
                if (high < 0 || low < 0) return null;
                bytes[i] = (byte)(high << 4 | low);
            }
            return bytes;
        }

        /// <summary>The value of a digit, or -1 if it is none.</summary>
        public static int DigitValue(int character)
        {
            if (character >= '0' && character <= '9') return character - '0';
            if (character >= 'a' && character <= 'f') return character - 'a' + 10;
            if (character >= 'A' && character <= 'F') return character - 'A' + 10;
            return -1;
        }
    }
}
