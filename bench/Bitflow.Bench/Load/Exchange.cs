using System.Buffers.Binary;

namespace Bitflow.Bench.Load;

/// <summary>
/// What a client asks and what the target answers. A question opens with a frame of 16 bytes (what it is, whether bytes are to be
/// compared, a number); a ClientHello stands for itself. Every answer but a download's opens with the 16 bytes of <see cref="Answer"/>.
/// </summary>
internal sealed record Exchange
{
    public const int FrameBytes = 16;
    public const int RequestBytes = 128;
    public const int AnswerBytes = 1024;

    public const byte AskRequest = (byte)'Q';
    public const byte AskDownload = (byte)'D';
    public const byte AskUpload = (byte)'U';
    public const byte TlsRecord = 0x16;

    /// <summary>What is sent at once.</summary>
    public required byte[] Question { get; init; }

    /// <summary>Bytes of the pattern that follow the question.</summary>
    public long UploadBytes { get; init; }

    /// <summary>All that the target sends, its opening included.</summary>
    public required long AnswerLength { get; init; }

    /// <summary>Whether the answer is bytes of the pattern, rather than an answer that opens with its own 16 bytes.</summary>
    public bool IsDownload { get; init; }

    /// <summary>The number that the answer must repeat.</summary>
    public ulong Number { get; init; }

    public bool Compares { get; init; }

    /// <summary>A small request with a small answer: 128 bytes up, 1,024 down.</summary>
    public static Exchange Request { get; } =
        new() { Question = Frame(AskRequest, false, 0x5EED, RequestBytes), AnswerLength = AnswerBytes, Number = 0x5EED };

    public static Exchange Download(long bytes, bool compare) =>
        new() { Question = Frame(AskDownload, compare, (ulong)bytes, FrameBytes), AnswerLength = bytes, IsDownload = true, Compares = compare };

    public static Exchange Upload(long bytes, bool compare) =>
        new()
        {
            Question = Frame(AskUpload, compare, (ulong)bytes, FrameBytes),
            UploadBytes = bytes,
            AnswerLength = FrameBytes,
            Number = (ulong)bytes,
            Compares = compare,
        };

    public static Exchange Hello(byte[] hello) =>
        new() { Question = hello, AnswerLength = AnswerBytes, Number = Digest(hello) };

    /// <summary>FNV-1a, so that the answer to a ClientHello proves that every byte of it arrived.</summary>
    public static ulong Digest(ReadOnlySpan<byte> bytes)
    {
        ulong digest = 14695981039346656037;
        foreach (byte each in bytes)
            digest = (digest ^ each) * 1099511628211;
        return digest;
    }

    private static byte[] Frame(byte kind, bool compare, ulong number, int length)
    {
        var frame = new byte[length];
        frame[0] = kind;
        frame[1] = compare ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt64LittleEndian(frame.AsSpan(8), number);
        for (int i = FrameBytes; i < length; i++)
            frame[i] = (byte)i;
        return frame;
    }
}
