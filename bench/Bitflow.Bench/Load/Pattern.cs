using System.Runtime.InteropServices;

namespace Bitflow.Bench.Load;

/// <summary>
/// The bytes that streams carry: a fixed sequence that repeats after a prime number of bytes, so that a piece that is lost,
/// doubled or swapped shows, whatever power of two its length is.
/// </summary>
internal static unsafe class Pattern
{
    private const int PeriodBytes = 65_521;

    /// <summary>The most bytes that can be sent or compared at once.</summary>
    public const int MaximumBytes = 256 * 1024;

    private static readonly byte* Bytes = Fill();

    /// <summary>Where the bytes that stand at an offset of the stream are; <see cref="MaximumBytes"/> of them may be read.</summary>
    public static byte* At(long offset) => Bytes + offset % PeriodBytes;

    public static bool Holds(byte* data, int length, long offset) =>
        new ReadOnlySpan<byte>(data, length).SequenceEqual(new ReadOnlySpan<byte>(At(offset), length));

    private static byte* Fill()
    {
        var bytes = (byte*)NativeMemory.Alloc(PeriodBytes + MaximumBytes);
        uint state = 2463534242;
        for (int i = 0; i < PeriodBytes + MaximumBytes; i++)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            bytes[i] = i < PeriodBytes ? (byte)state : bytes[i - PeriodBytes];
        }
        return bytes;
    }
}
