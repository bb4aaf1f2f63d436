using System.Buffers.Binary;
using Bitflow.Net.Tls;
using Xunit;

namespace Bitflow.Tests.Tls;

public sealed class RecordCounterTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(1_000)]
    [InlineData(100_000)]
    public void Each_record_counts_once_with_its_first_byte_in_whatever_pieces_it_comes(int pieceBytes)
    {
        int[] lengths = [0, 1, 17, 255, 256, 257, 16_640, 0, 0, 65_535, 2];
        using var stream = new MemoryStream();
        var begin = new List<int>();
        foreach (int length in lengths)
        {
            begin.Add((int)stream.Length);
            byte[] record = new byte[5 + length];
            (record[0], record[1], record[2]) = (23, 3, 3);
            BinaryPrimitives.WriteUInt16BigEndian(record.AsSpan(3), (ushort)length);
            stream.Write(record);
        }

        byte[] bytes = stream.ToArray();
        var counter = default(RecordCounter);
        for (int at = 0; at < bytes.Length; at += pieceBytes)
        {
            int end = Math.Min(at + pieceBytes, bytes.Length);
            Assert.Equal(begin.Count(first => first >= at && first < end), counter.Count(bytes.AsSpan(at..end)));
        }
    }
}
