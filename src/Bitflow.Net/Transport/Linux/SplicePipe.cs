using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>A pipe through which bytes go from one socket to another without being copied into this process.</summary>
internal sealed class SplicePipe
{
    private readonly int _readEnd;
    private readonly int _writeEnd;

    private SplicePipe(int readEnd, int writeEnd, int capacity)
    {
        _readEnd = readEnd;
        _writeEnd = writeEnd;
        Capacity = capacity;
    }

    public int Capacity { get; }

    /// <summary>Bytes inside.</summary>
    public int Filled { get; private set; }

    /// <summary>Null where the kernel gives none: descriptors or pages for pipes are used up.</summary>
    public static SplicePipe? TryMake(int wishedBytes)
    {
        if (Libc.Pipe(out int readEnd, out int writeEnd) < 0)
            return null;

        // Beyond the user's share (fs.pipe-user-pages-soft) a pipe stays small, and copying is the better way.
        int capacity = Libc.Fcntl(writeEnd, Libc.FSetPipeSize, wishedBytes);
        var pipe = new SplicePipe(readEnd, writeEnd, capacity);
        if (capacity >= wishedBytes)
            return pipe;
        pipe.Close();
        return null;
    }

    /// <summary>Takes what a socket has into the empty pipe: bytes, 0 for its end, or the negative errno.</summary>
    public int Fill(int socket)
    {
        int answer = Libc.Splice(socket, _writeEnd, Capacity, Libc.SpliceNonBlock);
        if (answer > 0)
            Filled += answer;
        return answer;
    }

    /// <summary>Gives to a socket what it takes: bytes, or the negative errno.</summary>
    public int Drain(int socket)
    {
        int answer = Libc.Splice(_readEnd, socket, Filled, Libc.SpliceNonBlock);
        if (answer > 0)
            Filled -= answer;
        return answer;
    }

    /// <summary>Takes all that is inside out into memory, where no socket may be given it.</summary>
    /// <returns>How many bytes; fewer than there were only where the kernel will not give them.</returns>
    public int Empty(Span<byte> into)
    {
        int taken = 0;
        while (Filled > 0)
        {
            int answer = Libc.Read(_readEnd, into[taken..]);
            if (answer == -Errno.EINTR)
                continue;
            if (answer <= 0)
                break;
            taken += answer;
            Filled -= answer;
        }

        return taken;
    }

    public void Close()
    {
        _ = Libc.Close(_readEnd);
        _ = Libc.Close(_writeEnd);
    }
}
