using System.Runtime.InteropServices;
using Bitflow.Domain;
using Microsoft.Win32.SafeHandles;

namespace Bitflow.Net.Linux;

/// <summary>
/// A file that is only ever appended to, by the kernel's own O_APPEND: the platform's append mode remembers an offset instead, which goes
/// wrong as soon as a rotation truncates the file or another process writes to it.
/// </summary>
internal sealed class AppendFile : IDisposable
{
    /// <summary>The owner writes, the group reads (0640).</summary>
    private const int Mode = 0x1A0;

    private readonly SafeFileHandle _handle;

    /// <summary>Whether the reader of a full pipe has been waited for, and has read nothing since.</summary>
    private bool _waitedInVain;

    private AppendFile(SafeFileHandle handle) => _handle = handle;

    /// <summary>Opens the file, and makes it where there is none. A FIFO without a reader is an error, not a wait.</summary>
    /// <exception cref="IOException">It cannot be opened; the message names path and reason.</exception>
    public static AppendFile Open(string path)
    {
        SafeFileHandle handle = Libc.OpenFile(path, Libc.OpenWriteOnly | Libc.OpenCreate | Libc.OpenAppend | Libc.NonBlocking | Libc.OpenNoTerminal | Libc.CloseOnExec, Mode);
        if (handle.IsInvalid)
        {
            int errno = Marshal.GetLastPInvokeError();
            string reason = LogFileFault.OfOpen(Libc.Identify(path, throughLink: true) is { IsSocket: true }, errno);
            handle.Dispose();
            throw new IOException($"{path}: {reason}");
        }

        return new AppendFile(handle);
    }

    /// <summary>Whether both are one file, by whatever path each was opened; also where that cannot be seen.</summary>
    public bool IsSameAs(AppendFile other) => Libc.Identify(_handle) is not { } own || Libc.Identify(other._handle) is not { } its || own == its;

    /// <summary>Writes until all is written or the kernel refuses. A full pipe is waited for, as long as the core says (<see cref="LogLossesModule.Patience"/>).</summary>
    /// <param name="error">The kernel's reason where not all was written; else 0.</param>
    /// <returns>How many bytes are in the file.</returns>
    public unsafe int Write(ReadOnlySpan<byte> bytes, out int error)
    {
        int written = 0;
        while (written < bytes.Length)
        {
            nint count;
            fixed (byte* start = bytes[written..])
                count = Libc.WriteFile(_handle, start, (nuint)(bytes.Length - written));
            if (count < 0)
            {
                error = Marshal.GetLastPInvokeError();
                if (error == Errno.EINTR)
                    continue;
                if (LogLossesModule.Patience(error, _waitedInVain) is not { IsSome: true } patience)
                    return written;
                Libc.AwaitRoom(_handle, (int)patience.Value.TotalMilliseconds);
                _waitedInVain = true;
                continue;
            }

            written += (int)count;
            _waitedInVain = false;
        }

        error = 0;
        return written;
    }

    public void Dispose() => _handle.Dispose();
}
