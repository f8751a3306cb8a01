using System;

namespace DotnetCodec
{
    /// <summary>One line, one answer: {"id":…,"ok":…} or {"id":…,"error":…}.</summary>
    static class Requests
    {
        public const int LongestLine = 16 * 1024 * 1024;

        const int LongestId = 32;

        /// <summary>Appends the answer to a line. Nothing in the line can end the program.</summary>
        public static void Answer(byte[] buffer, int start, int count, JsonWriter answers)
        {
            string id = "null";
            int mark = answers.Length;
            try
            {
                JsonValue request = ParseObject(buffer, start, count);
                id = IdOf(request);
                answers.Raw("{\"id\":" + id + ",\"ok\":");
                Perform(request, answers);
                answers.Raw("}\n");
                if (answers.Length - mark > LongestLine)
                    throw CodecException.Usage("the answer would be longer than a line may be");
            }
            catch (CodecException error)
            {
                answers.Truncate(mark);
                WriteError(answers, id, error.Kind, error.Message, error.Offset);
            }
            catch (Exception error)
            {
                // No request should come here. The caller learns of it by a kind that no case expects.
                Console.Error.WriteLine(error);
                answers.Truncate(mark);
                WriteError(answers, id, "internal", error.Message, null);
            }
        }

        public static void AnswerTooLongLine(JsonWriter answers)
        {
            WriteError(answers, "null", "usage", "the line is longer than 16 MiB", null);
        }

        static JsonValue ParseObject(byte[] buffer, int start, int count)
        {
            JsonValue value;
            try
            {
                value = JsonParser.Parse(buffer, start, count);
            }
            catch (JsonException error)
            {
                throw CodecException.Usage("not JSON: " + error.Message);
            }
            if (value.Kind != JsonKind.Object) throw CodecException.Usage("not a JSON object");
            return value;
        }

        static string IdOf(JsonValue request)
        {
            JsonValue id = request.Required("id");
            if (id.Kind != JsonKind.Number || id.Text.Length > LongestId) throw CodecException.Usage("id is not a number");
            return id.Text;
        }

        static void Perform(JsonValue request, JsonWriter answers)
        {
            string operation = request.Required("op").ToText("op");
            switch (operation)
            {
                case "encode":
                    Encode(request, answers);
                    break;
                case "decode":
                    Decode(request, answers);
                    break;
                default:
                    throw CodecException.Unsupported("unknown op " + Types.Quote(operation));
            }
        }

        static void Encode(JsonValue request, JsonWriter answers)
        {
            WireType type = Types.Of(request);
            var data = new DataWriter();
            type.Encode(request.Required("value"), data);
            answers.Raw("{\"hex\":");
            answers.HexText(data.ToArray());
            answers.Raw("}");
        }

        static void Decode(JsonValue request, JsonWriter answers)
        {
            WireType type = Types.Of(request);
            var data = new DataReader(request.Required("hex").ToBytes("hex"));
            answers.Raw("{\"value\":");
            type.Decode(data, answers);
            answers.Raw(",\"rest\":");
            answers.Number(data.Left);
            answers.Raw("}");
        }

        static void WriteError(JsonWriter answers, string id, string kind, string message, int? offset)
        {
            answers.Raw("{\"id\":" + id + ",\"error\":{\"kind\":\"" + kind + "\",\"message\":");
            answers.Text(message);
            if (offset.HasValue)
            {
                answers.Raw(",\"offset\":");
                answers.Number(offset.Value);
            }
            answers.Raw("}}\n");
        }
    }
}
