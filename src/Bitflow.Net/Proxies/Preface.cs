using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>
/// What was read from a client before dialling, because a PROXY header or a server name was needed. What the parsers did not consume is
/// delivered first, untouched. Holds no buffer until something is read, and grows only as bytes come.
/// </summary>
internal sealed class Preface(Connection client)
{
    private const int FirstBytes = 2 * 1024;

    private byte[] _buffer = [];
    private int _start;
    private int _end;

    public bool IsEmpty => _start == _end;

    /// <summary>Bytes received and not consumed.</summary>
    public ReadOnlySpan<byte> Unread => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Receives more, up to a bound on what is held unread; the result is the receive's own.</summary>
    public ValueTask<IoResult> ReadMoreAsync(int boundBytes) =>
        _buffer.Length == 0 && TryReadNow(client, boundBytes, out IoResult received) ? new(received) : WaitAndReadAsync(boundBytes);

    /// <summary>What is unread, or has come by now where nothing is; nothing where it is more than a few bytes. It stays unread.</summary>
    /// <param name="from">The client, as it speaks now.</param>
    public ReadOnlyMemory<byte> FirstWords(Connection from)
    {
        if (IsEmpty)
            _ = TryReadNow(from, FirstBytes, out _);
        return _end - _start <= FirstBytes ? _buffer.AsMemory(_start, _end - _start) : default;
    }

    /// <summary>
    /// What came with the connection, received before anyone waits for it: onto the stack, so that a client without a word costs no buffer. An end or a fault
    /// is met again by whoever receives next.
    /// </summary>
    private bool TryReadNow(Connection from, int boundBytes, out IoResult received)
    {
        Span<byte> here = stackalloc byte[FirstBytes];
        here = here[..Math.Min(here.Length, boundBytes)];
        if (!from.TryReceiveNow(here, out received))
            return false;
        _buffer = here[..received.Bytes].ToArray();
        _start = 0;
        _end = received.Bytes;
        return true;
    }

    private async ValueTask<IoResult> WaitAndReadAsync(int boundBytes)
    {
        IoFault fault = await client.WaitReadableAsync().ConfigureAwait(false);
        if (fault != IoFault.None)
            return IoResult.Failed(fault);
        if (_end == _buffer.Length)
            Grow(boundBytes);
        IoResult received = await client.ReceiveAsync(_buffer.AsMemory(_end)).ConfigureAwait(false);
        _end += received.Bytes;
        return received;
    }

    public void Consume(int bytes) => _start += bytes;

    /// <summary>Hands over what is left and forgets it.</summary>
    public ReadOnlyMemory<byte> Take()
    {
        ReadOnlyMemory<byte> rest = _buffer.AsMemory(_start, _end - _start);
        _buffer = [];
        _start = _end = 0;
        return rest;
    }

    private void Grow(int boundBytes)
    {
        int unread = _end - _start;
        int size = Math.Clamp(unread * 2, FirstBytes, Math.Max(boundBytes, unread + 1));
        byte[] larger = new byte[size];
        _buffer.AsSpan(_start, unread).CopyTo(larger);
        _buffer = larger;
        _start = 0;
        _end = unread;
    }
}
