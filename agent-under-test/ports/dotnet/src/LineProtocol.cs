using System;
using System.IO;

namespace DotnetCodec
{
    /// <summary>
    /// Answers the lines of a stream until it ends. All complete lines that have come are answered before the next read,
    /// and their answers leave together: a lone request is answered at once, and thousands cost few system calls.
    /// </summary>
    sealed class LineProtocol
    {
        const int FirstBuffer = 256 * 1024;
        const int LargestBatch = 256 * 1024;

        readonly Stream input;
        readonly Stream output;
        readonly JsonWriter answers = new JsonWriter();

        // Bytes from start to end have come and are not answered; up to searched they hold no line end.
        byte[] buffer = new byte[FirstBuffer];
        int start;
        int searched;
        int end;

        // The rest of a line that was too long is thrown away up to its end.
        bool skipping;

        public LineProtocol(Stream input, Stream output)
        {
            this.input = input;
            this.output = output;
        }

        public void Run()
        {
            do
            {
                AnswerCompleteLines();
                RefuseTooLongLine();
                Flush();
            }
            while (Fill());
            if (end > start && !skipping) Requests.Answer(buffer, start, end - start, answers);
            Flush();
        }

        void AnswerCompleteLines()
        {
            int lineEnd;
            while ((lineEnd = Array.IndexOf(buffer, (byte)'\n', searched, end - searched)) >= 0)
            {
                AnswerLine(lineEnd - start);
                start = lineEnd + 1;
                searched = start;
                if (answers.Length > LargestBatch) Flush();
            }
            searched = end;
        }

        void AnswerLine(int length)
        {
            if (skipping) skipping = false;
            else if (length > Requests.LongestLine) Requests.AnswerTooLongLine(answers);
            else Requests.Answer(buffer, start, length, answers);
        }

        /// <summary>Before its end has come, so that a line without end costs no more memory than the longest.</summary>
        void RefuseTooLongLine()
        {
            if (end - start > Requests.LongestLine && !skipping)
            {
                Requests.AnswerTooLongLine(answers);
                skipping = true;
            }
            if (skipping) start = searched = end;
        }

        bool Fill()
        {
            MakeRoom();
            int count = input.Read(buffer, end, buffer.Length - end);
            end += count;
            return count > 0;
        }

        void MakeRoom()
        {
            int length = end - start;
            byte[] target = length > buffer.Length / 2 ? new byte[buffer.Length * 2] : buffer;
            if (start > 0 || target != buffer) Buffer.BlockCopy(buffer, start, target, 0, length);
            buffer = target;
            start = 0;
            searched = end = length;
        }

        void Flush()
        {
            if (answers.Length == 0) return;
            output.Write(answers.Buffer, 0, answers.Length);
            output.Flush();
            answers.Truncate(0);
        }
    }
}
