using System;
using System.IO;
using System.Text;

namespace DotnetCodec
{
    static class Program
    {
        const string Usage = "usage: codec [--differences | --check-readme]\n"
            + "Without an option: answers encode and decode requests, one JSON object a line, until the end of input.";

        static int Main(string[] arguments)
        {
            if (arguments.Length == 0) return Serve();
            if (arguments.Length == 1 && arguments[0] == "--differences") return PrintDifferences();
            if (arguments.Length == 1 && arguments[0] == "--check-readme") return Readme.Check();
            Console.Error.WriteLine(Usage);
            return 2;
        }

        static int Serve()
        {
            try
            {
                new LineProtocol(Console.OpenStandardInput(), Console.OpenStandardOutput()).Run();
                return 0;
            }
            catch (IOException error)
            {
                Console.Error.WriteLine("codec: " + error.Message);
                return 1;
            }
        }

        static int PrintDifferences()
        {
            byte[] table = new UTF8Encoding(false).GetBytes(Differences.Table());
            using (Stream output = Console.OpenStandardOutput()) output.Write(table, 0, table.Length);
            return 0;
        }
    }
}
