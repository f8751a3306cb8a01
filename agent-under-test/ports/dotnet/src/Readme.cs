using System;
using System.IO;
using System.Text;

namespace DotnetCodec
{
    /// <summary>Holds the table in README.md to what the program finds out.</summary>
    static class Readme
    {
        const string Begin = "<!-- differences: begin -->\n";
        const string End = "<!-- differences: end -->\n";

        public static int Check()
        {
            string path = Path.Combine(AppDomain.CurrentDomain.BaseDirectory, "..", "README.md");
            string text;
            try
            {
                text = File.ReadAllText(path, new UTF8Encoding(false));
            }
            catch (IOException error)
            {
                return Fail(error.Message);
            }
            string table = Between(text, Begin, End);
            if (table == null) return Fail("README.md lacks the marks around the table");
            if (table != Differences.Table())
                return Fail("the table in README.md is out of date: put the output of --differences between its marks");
            return 0;
        }

        static string Between(string text, string begin, string end)
        {
            int from = text.IndexOf(begin, StringComparison.Ordinal);
            if (from < 0) return null;
            from += begin.Length;
            int to = text.IndexOf(end, from, StringComparison.Ordinal);
            return to < 0 ? null : text.Substring(from, to - from);
        }

        static int Fail(string message)
        {
            Console.Error.WriteLine("codec: " + message);
            return 1;
        }
    }
}
