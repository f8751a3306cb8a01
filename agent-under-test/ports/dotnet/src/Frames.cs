namespace DotnetCodec
{
    /// <summary>FRM-1 to FRM-4: length of the data, target (v1 client to agent only), command, data.</summary>
    sealed class Frame
    {
        readonly bool hasTarget;

        public Frame(bool hasTarget)
        {
            this.hasTarget = hasTarget;
            Type = new WireType(Encode, Decode);
        }

        public WireType Type { get; }

        public int HeaderLength { get { return hasTarget ? 5 : 4; } }

        public void EncodeHeader(JsonValue value, DataWriter data)
        {
            if (hasTarget) data.WriteByte(value.Required("target").ToByte("target"));
            data.WriteInt32(value.Required("command").ToInt32("command"));
        }

        /// <summary>Writes the members before data, each with a comma behind.</summary>
        public void DecodeHeader(DataReader data, JsonWriter answer)
        {
            if (hasTarget)
            {
                answer.Raw("\"target\":");
                answer.Number(data.ReadByte("target"));
                answer.Raw(",");
            }
            answer.Raw("\"command\":");
            answer.Number(data.ReadInt32("command"));
            answer.Raw(",");
        }

        void Encode(JsonValue value, DataWriter data)
        {
            byte[] content = value.Required("data").ToBytes("data");
            data.WriteInt32(content.Length);
            EncodeHeader(value, data);
            data.WriteRaw(content);
        }

        /// <summary>The length counts the data alone (FRM-4), so it can be judged only behind the header.</summary>
        void Decode(DataReader data, JsonWriter answer)
        {
            int offset = data.Offset;
            int length = data.ReadInt32("length");
            if (length < 0) throw CodecException.Malformed(offset, "length: negative");
            answer.Raw("{");
            DecodeHeader(data, answer);
            if (length > data.Left) throw CodecException.Malformed(offset, "length: past the end of the data");
            answer.Raw("\"data\":");
            answer.HexText(data.ReadRaw(length, "data"));
            answer.Raw("}");
        }
    }
}
