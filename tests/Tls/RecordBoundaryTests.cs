using Bitflow.Net.Tls;
using Xunit;

namespace Bitflow.Tests.Tls;

public sealed class RecordBoundaryTests
{
    /// <summary>The longest that a record may say it is, the usual ones, and none at all: an empty record ends with its header.</summary>
    private static readonly int[] BodyLengths = [1, 0, 23, 255, 256, 0, 16_384 + 256, 4, 65_535, 0, 0, 512];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(261)]
    [InlineData(1_000_000)]
    public void However_the_bytes_are_cut_up_no_piece_goes_beyond_its_record_and_every_record_ends_one(int most) => Follow(_ => most);

    [Fact]
    public void Cut_up_at_random_they_do_so_as_well()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            Follow(_ => random.Next(1, random.Next(2, 20_000)));
        }
    }

    [Fact]
    public void Of_no_bytes_it_takes_none_and_goes_on_where_it_was()
    {
        var boundary = new RecordBoundary();
        Assert.Equal(0, boundary.Take([]));
        Assert.Equal(4, boundary.Take([22, 3, 3, 0]));
        Assert.Equal(0, boundary.Take([]));
        Assert.Equal(3, boundary.Take([2, 1, 2, 22, 3]));
    }

    /// <summary>Every piece that is taken, with no more shown at once than so many bytes.</summary>
    private static void Follow(Func<int, int> shown)
    {
        var stream = new List<byte>();
        var ends = new HashSet<int>();
        foreach (int length in BodyLengths)
        {
            // Bodies that look like headers.
            stream.AddRange([23, 3, 3, (byte)(length >> 8), (byte)length, .. Enumerable.Repeat((byte)3, length)]);
            ends.Add(stream.Count);
        }

        byte[] bytes = [.. stream];
        var boundary = new RecordBoundary();
        int begin = 0;
        var met = new HashSet<int>();
        for (int at = 0; at < bytes.Length;)
        {
            int offered = Math.Min(shown(at), bytes.Length - at);
            int taken = boundary.Take(bytes.AsSpan(at, offered));
            Assert.InRange(taken, 1, offered);
            int next = at + taken;
            Assert.DoesNotContain(ends, e => e > begin && e < next);
            if (ends.Contains(next))
            {
                met.Add(next);
                begin = next;
            }
            else
            {
                // Less than was offered is taken only because a record ends there.
                Assert.Equal(offered, taken);
            }

            at = next;
        }

        Assert.Equal(ends, met);
    }
}
