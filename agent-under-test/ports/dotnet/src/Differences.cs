using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Security.Cryptography;
using System.Text;

namespace DotnetCodec
{
    /// <summary>
    /// What the plain classes of the runtime do with malformed input, beside what this codec answers: found out by running
    /// both. Nothing is printed that changes between versions of Mono, such as the texts of exceptions.
    /// </summary>
    static class Differences
    {
        const string Key = "000102030405060708090a0b0c0d0e0f";
        const string Vector = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

        const string NextVector = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";

        static readonly Func<Aes>[] AesClasses = { Aes.Create, () => new AesManaged() };

        public static string Table()
        {
            var table = new StringBuilder();
            table.Append("| input | plain .NET | this codec | clause |\n");
            table.Append("|---|---|---|---|\n");
            AddTexts(table);
            AddNumbers(table);
            AddArrays(table);
            AddValues(table);
            AddAes(table);
            return table.ToString();
        }

        static void AddTexts(StringBuilder table)
        {
            AddText(table, "invalid UTF-8", "02 c328", "DAT-5");
            AddText(table, "over-long slash", "02 c0af", "DAT-5");
            AddText(table, "surrogate in UTF-8", "03 eda080", "DAT-5");
            AddText(table, "last character cut", "04 636166c3", "DAT-5");
            AddText(table, "last character runs out of the string", "01 c3 a9", "DAT-5");
            AddText(table, "prefix cut short", "80", "DAT-5");
            AddText(table, "prefix longer than needed", "8100 61", "DAT-6");
            AddText(table, "prefix of 6 bytes", "818080808000 61", "DAT-5");
            AddText(table, "fifth prefix byte continues", "8080808080", "DAT-5");
            AddText(table, "prefix of 33 bits", "8180808010 61", "DAT-5");
            AddText(table, "prefix of 35 bits", "ffffffff7f", "DAT-5");
            AddText(table, "length 2^31", "8080808008 61", "DAT-5");
            AddText(table, "length past the end", "03 6162", "DAT-5");
        }

        static void AddNumbers(StringBuilder table)
        {
            AddDecode(table, "`ReadInt32`, 3 bytes", "e80300", "int32", reader => "number " + reader.ReadInt32());
            AddDecode(table, "`new Guid(ReadBytes(16))`, 15 bytes", "4ed2eb6cf74a134ab9af81d3dfc644", "guid", ReadGuid);
            AddTicks(table, "`new DateTime`, ticks -1", "ffffffffffffffff");
            AddTicks(table, "`new DateTime`, over the largest", "004037f47528ca2b");
            AddTicks(table, "`new DateTime`, UTC kind", "00008c1daec9d548");
            AddDecode(table, "`DateTime.FromBinary`, UTC kind", "00008c1daec9d548", "datetime", ReadBinaryDateTime);
        }

        static void AddArrays(StringBuilder table)
        {
            AddDecode(table, "`ReadBytes`, count -1", "ffffffff 00", "bytes", ReadCountedBytes);
            AddDecode(table, "`ReadBytes`, count past the end", "04000000 010203", "bytes", ReadCountedBytes);
            AddDecode(table, "`for` loop, count of files -1", "01 ffffffff 00000000", "update_agent", LoopOverFiles);
            AddDecode(table, "`ReadBytes`, frame length past the end", "03000000 65000000 aabb", "frame_agent", ReadFrame);
        }

        static void AddValues(StringBuilder table)
        {
            AddEncode(table, "half a surrogate pair", "string", "\\ud800", "DAT-2", () => "bytes " + Show(WriteText("\ud800")));
            string digits = "6cebd24e4af74a13b9af81d3dfc644be";
            AddEncode(table, "GUID without dashes", "guid", digits, "HS-2", () => "bytes " + Show(new Guid(digits).ToByteArray()));
        }

        static void AddAes(StringBuilder table)
        {
            AddSealed(table, "PKCS7, nothing at all", "", PaddingMode.PKCS7);
            AddSealed(table, "zeros, nothing at all", "", PaddingMode.Zeros);
            AddPadded(table, "PKCS7, last byte 00", "00*12", PaddingMode.PKCS7);
            AddPadded(table, "PKCS7, last byte 11 (17)", "11*12", PaddingMode.PKCS7);
            AddPadded(table, "PKCS7, other bytes before the count", "00*11 0c", PaddingMode.PKCS7);
            AddPadded(table, "PKCS7, one byte before the count wrong", "0d 0c*11", PaddingMode.PKCS7);
            AddSealed(table, "PKCS7, good but 3 of 4 command bytes", Seal(NextVector + " 030000 0d*13"), PaddingMode.PKCS7);
            AddPadded(table, "zeros, 12 of them behind the command", "00*12", PaddingMode.Zeros);
            AddSealed(table, "zeros, plaintext of 16 bytes", Seal(NextVector), PaddingMode.Zeros);
        }

        static void AddText(StringBuilder table, string title, string hex, string clause)
        {
            AddDecode(table, "`ReadString`, " + title, hex, "string", ReadText, clause);
        }

        static void AddTicks(StringBuilder table, string title, string hex)
        {
            AddDecode(table, title, hex, "datetime", reader => "ticks " + new DateTime(reader.ReadInt64()).Ticks);
        }

        static void AddDecode(
            StringBuilder table, string title, string hex, string type, Func<BinaryReader, string> read, string clause = "DAT-5")
        {
            string codec = Ask("decode", type, "\"hex\":\"" + hex.Replace(" ", "") + "\"");
            AddRow(table, title + ": `" + hex + "`", Try(() => read(ReaderOf(hex))), codec, clause);
        }

        static void AddEncode(StringBuilder table, string title, string type, string value, string clause, Func<string> write)
        {
            string codec = Ask("encode", type, "\"value\":\"" + value + "\"");
            AddRow(table, title + ": `" + value + "`", Try(write), codec, clause);
        }

        /// <summary>The plaintext of an agent's frame without data, command 3, is 12 bytes short of two blocks.</summary>
        static void AddPadded(StringBuilder table, string title, string padding, PaddingMode mode)
        {
            AddSealed(table, title, Seal(NextVector + " 03000000 " + padding), mode);
        }

        static void AddSealed(StringBuilder table, string title, string hex, PaddingMode mode)
        {
            byte[] encrypted = Hex.TryParse(hex);
            string frame = Show(BitConverter.GetBytes(encrypted.Length)) + hex;
            string padding = mode.ToString().ToLowerInvariant();
            string settings = "\"key\":\"" + Key + "\",\"iv\":\"" + Vector + "\",\"padding\":\"" + padding + "\"";
            string codec = Ask("decode", "aes_frame_agent", "\"hex\":\"" + frame + "\"," + settings);
            AddRow(table, "AES, " + title, DecryptWithEachClass(encrypted, mode), codec, "AES-3, AES-6");
        }

        static void AddRow(StringBuilder table, string input, string plain, string codec, string clause)
        {
            table.Append("| " + input + " | " + plain + " | " + codec + " | " + clause + " |\n");
        }

        static string ReadText(BinaryReader reader)
        {
            string text = reader.ReadString();
            return text.IndexOf('\ufffd') >= 0 ? "text with U+FFFD" : "text \"" + text + "\"";
        }

        static string ReadGuid(BinaryReader reader)
        {
            return "GUID " + new Guid(reader.ReadBytes(16));
        }

        static string ReadBinaryDateTime(BinaryReader reader)
        {
            return "ticks " + DateTime.FromBinary(reader.ReadInt64()).Ticks;
        }

        static string ReadCountedBytes(BinaryReader reader)
        {
            return "bytes " + Show(reader.ReadBytes(reader.ReadInt32()));
        }

        static string LoopOverFiles(BinaryReader reader)
        {
            int files = 0;
            reader.ReadByte();
            int count = reader.ReadInt32();
            for (int i = 0; i < count; i++) files++;
            return files + " files";
        }

        static string ReadFrame(BinaryReader reader)
        {
            int length = reader.ReadInt32();
            reader.ReadInt32();
            return "data " + Show(reader.ReadBytes(length));
        }

        static byte[] WriteText(string text)
        {
            var stream = new MemoryStream();
            new BinaryWriter(stream, new UTF8Encoding(false)).Write(text);
            return stream.ToArray();
        }

        static string DecryptWithEachClass(byte[] encrypted, PaddingMode mode)
        {
            var outcomes = new List<string>();
            foreach (Func<Aes> create in AesClasses)
            {
                string outcome = Try(() => ShowPlain(Transform(create, encrypted, mode, false)));
                if (!outcomes.Contains(outcome)) outcomes.Add(outcome);
            }
            return string.Join(" or ", outcomes);
        }

        static string ShowPlain(byte[] plain)
        {
            return plain.Length == 0 ? "no bytes" : plain.Length + " bytes";
        }

        /// <summary>Encrypts whole blocks, bad padding included.</summary>
        static string Seal(string plain)
        {
            return Show(Transform(Aes.Create, Bytes(plain), PaddingMode.None, true));
        }

        static byte[] Transform(Func<Aes> create, byte[] input, PaddingMode mode, bool encrypt)
        {
            using (Aes aes = create())
            {
                aes.Mode = CipherMode.CBC;
                aes.Padding = mode;
                aes.Key = Hex.TryParse(Key);
                aes.IV = Hex.TryParse(Vector);
                using (ICryptoTransform transform = encrypt ? aes.CreateEncryptor() : aes.CreateDecryptor())
                    return transform.TransformFinalBlock(input, 0, input.Length);
            }
        }

        static string Try(Func<string> action)
        {
            try
            {
                return action();
            }
            catch (Exception error)
            {
                return "`" + error.GetType().Name + "`";
            }
        }

        /// <summary>Asks the codec itself, by a request line.</summary>
        static string Ask(string operation, string type, string members)
        {
            string line = "{\"id\":1,\"op\":\"" + operation + "\",\"type\":\"" + type + "\"," + members + "}";
            byte[] request = Encoding.ASCII.GetBytes(line);
            var answers = new JsonWriter();
            Requests.Answer(request, 0, request.Length, answers);
            return Describe(JsonParser.Parse(answers.Buffer, 0, answers.Length));
        }

        static string Describe(JsonValue answer)
        {
            JsonValue error = answer.Optional("error");
            if (error == null) return DescribeValue(answer.Required("ok").Required("value"));
            JsonValue offset = error.Optional("offset");
            return error.Required("kind").Text + (offset == null ? "" : " at " + offset.Text);
        }

        static string DescribeValue(JsonValue value)
        {
            return value.Kind == JsonKind.Text ? "text \"" + value.Text + "\"" : "data " + value.Required("data").Text;
        }

        static BinaryReader ReaderOf(string hex)
        {
            return new BinaryReader(new MemoryStream(Bytes(hex)), new UTF8Encoding(false));
        }

        /// <summary>Hexadecimal with blanks, where XX*N repeats a byte.</summary>
        static byte[] Bytes(string hex)
        {
            var bytes = new List<byte>();
            foreach (string word in hex.Split(' '))
            {
                string[] parts = word.Split('*');
                int times = parts.Length == 1 ? 1 : int.Parse(parts[1], CultureInfo.InvariantCulture);
                for (int i = 0; i < times; i++) bytes.AddRange(Hex.TryParse(parts[0]));
            }
            return bytes.ToArray();
        }

        static string Show(byte[] bytes)
        {
            return BitConverter.ToString(bytes).Replace("-", "").ToLowerInvariant();
        }
    }
}
