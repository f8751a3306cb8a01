using System;
using System.Collections.Generic;
using System.Text;

namespace DotnetCodec
{
    enum JsonKind { Null, False, True, Number, Text, List, Object }

    /// <summary>A parsed JSON value. Numbers keep their digits, so that nothing is lost in a double.</summary>
    sealed class JsonValue
    {
        public static readonly JsonValue Null = new JsonValue(JsonKind.Null, null);
        public static readonly JsonValue False = new JsonValue(JsonKind.False, null);
        public static readonly JsonValue True = new JsonValue(JsonKind.True, null);

        readonly object content;

        public JsonValue(JsonKind kind, object content)
        {
            Kind = kind;
            this.content = content;
        }

        public JsonKind Kind { get; }

        /// <summary>The characters of a text, or the digits of a number as they stood.</summary>
        public string Text { get { return (string)content; } }

        public List<JsonValue> Items { get { return (List<JsonValue>)content; } }

        public Dictionary<string, JsonValue> Members { get { return (Dictionary<string, JsonValue>)content; } }
    }

    /// <summary>The input is not JSON.</summary>
    sealed class JsonException : Exception
    {
        public JsonException(string message) : base(message)
        {
        }
    }

    /// <summary>
    /// A strict parser (RFC 8259) for one JSON text in UTF-8. It allows no member name twice and bounds the nesting,
    /// for it recurses, and a stack that overflows cannot be caught.
    /// </summary>
    sealed class JsonParser
    {
        const int DeepestNesting = 64;

        static readonly UTF8Encoding StrictUtf8 = new UTF8Encoding(false, true);

        readonly byte[] buffer;
        readonly int end;
        int position;

        JsonParser(byte[] buffer, int start, int count)
        {
            this.buffer = buffer;
            position = start;
            end = start + count;
        }

        public static JsonValue Parse(byte[] buffer, int start, int count)
        {
            var parser = new JsonParser(buffer, start, count);
            JsonValue value = parser.ParseValue(0);
            parser.SkipBlanks();
            if (parser.position < parser.end) throw new JsonException("something follows the JSON value");
            return value;
        }

        JsonValue ParseValue(int depth)
        {
            SkipBlanks();
            switch (Peek())
            {
                case '{': return ParseObject(depth + 1);
                case '[': return ParseList(depth + 1);
                case '"': return new JsonValue(JsonKind.Text, ParseText());
                case 'n': return ParseWord("null", JsonValue.Null);
                case 't': return ParseWord("true", JsonValue.True);
                case 'f': return ParseWord("false", JsonValue.False);
                default: return new JsonValue(JsonKind.Number, ParseNumber());
            }
        }

        JsonValue ParseObject(int depth)
        {
            CheckDepth(depth);
            var members = new Dictionary<string, JsonValue>(StringComparer.Ordinal);
            position++;
            SkipBlanks();
            if (!TryTake('}'))
            {
                do ParseMember(members, depth); while (TakeCommaOr('}'));
            }
            return new JsonValue(JsonKind.Object, members);
        }

        void ParseMember(Dictionary<string, JsonValue> members, int depth)
        {
            SkipBlanks();
            if (Peek() != '"') throw new JsonException("a member name is not a JSON string");
            string name = ParseText();
            if (members.ContainsKey(name)) throw new JsonException("a member name occurs twice");
            SkipBlanks();
            if (!TryTake(':')) throw new JsonException("no colon follows a member name");
            members.Add(name, ParseValue(depth));
        }

        JsonValue ParseList(int depth)
        {
            CheckDepth(depth);
            var items = new List<JsonValue>();
            position++;
            SkipBlanks();
            if (!TryTake(']'))
            {
                do items.Add(ParseValue(depth)); while (TakeCommaOr(']'));
            }
            return new JsonValue(JsonKind.List, items);
        }

        JsonValue ParseWord(string word, JsonValue value)
        {
            foreach (char expected in word)
            {
                if (!TryTake(expected)) throw new JsonException("an unknown word");
            }
            return value;
        }

        string ParseNumber()
        {
            int start = position;
            TryTake('-');
            if (!TryTake('0')) TakeDigits();
            if (TryTake('.')) TakeDigits();
            if (TryTake('e') || TryTake('E'))
            {
                if (!TryTake('+')) TryTake('-');
                TakeDigits();
            }
            return Encoding.ASCII.GetString(buffer, start, position - start);
        }

        void TakeDigits()
        {
            int start = position;
            while (Peek() >= '0' && Peek() <= '9') position++;
            if (position == start) throw new JsonException("no JSON value where one is due");
        }

        /// <summary>Most texts hold no escape and are decoded in one piece.</summary>
        string ParseText()
        {
            position++;
            string run = TakeRun();
            if (TryTake('"')) return run;
            var text = new StringBuilder(run);
            while (!TryTake('"'))
            {
                text.Append(TakeEscape());
                text.Append(TakeRun());
            }
            return text.ToString();
        }

        /// <summary>The characters up to the next quote or backslash.</summary>
        string TakeRun()
        {
            int start = position;
            while (position < end && buffer[position] != '"' && buffer[position] != '\\' && buffer[position] >= 0x20) position++;
            if (position == end) throw new JsonException("a string without end");
            if (buffer[position] < 0x20) throw new JsonException("a control character in a string");
            try
            {
                return StrictUtf8.GetString(buffer, start, position - start);
            }
            catch (DecoderFallbackException)
            {
                throw new JsonException("a string that is not UTF-8");
            }
        }

        /// <summary>One escape, which may be half of a surrogate pair. Whether halves match is for the encoder to say.</summary>
        char TakeEscape()
        {
            position++;
            int letter = Peek();
            position++;
            switch (letter)
            {
                case '"': return '"';
                case '\\': return '\\';
                case '/': return '/';
                case 'b': return '\b';
                case 'f': return '\f';
                case 'n': return '\n';
                case 'r': return '\r';
                case 't': return '\t';
                case 'u': return TakeCodeUnit();
                default: throw new JsonException("an unknown escape in a string");
            }
        }

        char TakeCodeUnit()
        {
            int unit = 0;
            for (int i = 0; i < 4; i++)
            {
                int digit = Hex.DigitValue(Peek());
                if (digit < 0) throw new JsonException("an escape without four hexadecimal digits");
                unit = unit * 16 + digit;
                position++;
            }
            return (char)unit;
        }

        bool TakeCommaOr(char close)
        {
            SkipBlanks();
            if (TryTake(',')) return true;
            if (TryTake(close)) return false;
            throw new JsonException("no comma between two values");
        }

        static void CheckDepth(int depth)
        {
            if (depth > DeepestNesting) throw new JsonException("nested too deeply");
        }

        void SkipBlanks()
        {
            while (Peek() == ' ' || Peek() == '\t' || Peek() == '\r' || Peek() == '\n') position++;
        }

        bool TryTake(char expected)
        {
            if (Peek() != expected) return false;
            position++;
            return true;
        }

        /// <summary>The next byte, or -1 at the end.</summary>
        int Peek()
        {
            return position < end ? buffer[position] : -1;
        }
    }
}
