using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Transport;

namespace Bitflow.App.Metering;

/// <summary>
/// Datagrams to one receiver that may not be there, may not resolve yet, may be slow or may come back elsewhere: each is sent at once, or as soon as a receiver
/// on this machine has read some of those before it, or not now. Used by one thread at a time.
/// </summary>
internal sealed class StatsdSocket : IDisposable
{
    /// <summary>A name is looked up again after this long, so that a receiver may move.</summary>
    private static readonly TimeSpan LookUpAgain = TimeSpan.FromSeconds(30);

    /// <summary>After a lookup that found nothing.</summary>
    private static readonly TimeSpan RetryLookup = TimeSpan.FromSeconds(2);

    /// <summary>How long a flush waits, in all, for a receiver that reads: the queue of a Unix socket takes some ten datagrams (net.unix.max_dgram_qlen).</summary>
    private static readonly TimeSpan RoomPatience = TimeSpan.FromMilliseconds(200);

    private readonly MetricsAddress _address;
    private readonly Resolver _resolver = new();
    private EndPoint[] _candidates = [];
    private int _candidate;
    private Task<Resolution>? _lookup;
    private long _lookupDue;
    private Socket? _socket;
    private long _roomDue;

    /// <summary>Why not all of a flush arrives, as far as it shows here; null where nothing speaks against it.</summary>
    public string? Problem { get; private set; }

    public StatsdSocket(MetricsAddress address)
    {
        _address = address;
        if (address is MetricsAddress.UnixDatagram unix)
            _candidates = [new UnixDomainSocketEndPoint(unix.path)];
        else if (address is MetricsAddress.Udp udp && IpAddress.tryParse(udp.host) is { IsSome: true } literal)
            _candidates = [new IPEndPoint(literal.Value, udp.port)];
        if (_candidates.Length > 0)
            _lookupDue = long.MaxValue;
    }

    /// <summary>Begins a flush, if an address is known; looks the name up from time to time, without waiting for the answer.</summary>
    public bool TryBegin()
    {
        LookUp();
        if (_candidates.Length == 0)
            return false;
        Problem = null;
        _roomDue = Environment.TickCount64 + (long)RoomPatience.TotalMilliseconds;
        return true;
    }

    /// <summary>Is done with a datagram, or says that it cannot be sent now.</summary>
    /// <param name="datagram">What is sent, in one piece.</param>
    /// <param name="lost">How many are known to be lost now: of those that had been sent, and this one, where nobody could be sent one so long.</param>
    public bool TrySend(ReadOnlySpan<byte> datagram, out int lost)
    {
        lost = 0;
        string? before = Problem;

        // One more try than there are addresses: a UDP socket tells of the datagram before, when nobody listened for it.
        for (int attempt = 0; attempt <= _candidates.Length; attempt++)
        {
            _socket ??= Connect();
            if (_socket is null)
                continue;
            _socket.Send(datagram, SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock && WaitForRoom(_socket))
                _socket.Send(datagram, SocketFlags.None, out error);
            if (error == SocketError.Success)
            {
                // Where another address took it nothing is lost. A refusal stays: it is of what was sent in the flush before, and is told once, to the first send after it.
                if (lost == 0)
                    Problem = before;
                return true;
            }

            Problem = error == SocketError.WouldBlock ? "it does not read them as fast as they come" : new SocketException((int)error).Message;
            // Those behind it may be shorter.
            if (error == SocketError.MessageSize)
            {
                lost++;
                return true;
            }

            // A full buffer empties by itself; anything else may be better at another address, or on a new socket.
            if (error is SocketError.WouldBlock or SocketError.NoBufferSpaceAvailable)
                return false;
            if (error == SocketError.ConnectionRefused && _address.IsUdp)
                lost++;
            Forget();
        }

        return false;
    }

    public void Dispose()
    {
        _socket?.Dispose();
        _resolver.Dispose();
    }

    private bool WaitForRoom(Socket socket)
    {
        long left = _roomDue - Environment.TickCount64;
        return left > 0 && socket.Poll(TimeSpan.FromMilliseconds(left), SelectMode.SelectWrite);
    }

    private void LookUp()
    {
        if (_lookup is { IsCompleted: true })
        {
            Resolution found = _lookup.IsCompletedSuccessfully ? _lookup.Result : new([], null);
            _lookup = null;
            if (found.Addresses.Count == 0 && _candidates.Length == 0)
                Problem = found.Fault is { } fault ? $"its name does not resolve ({ResolveFaultModule.Describe(fault)})" : "its name does not resolve";
            _lookupDue = Environment.TickCount64 + (long)(found.Addresses.Count > 0 ? LookUpAgain : RetryLookup).TotalMilliseconds;
            EndPoint[] candidates = [.. found.Addresses.Select(address => new IPEndPoint(address, ((MetricsAddress.Udp)_address).port))];
            if (candidates.Length > 0 && !candidates.SequenceEqual(_candidates))
            {
                Forget();
                _candidates = candidates;
                _candidate = 0;
            }
        }

        if (_lookup is null && Environment.TickCount64 >= _lookupDue)
            _lookup = _resolver.ResolveAsync(((MetricsAddress.Udp)_address).host);
    }

    private Socket? Connect()
    {
        if (_candidates.Length == 0)
            return null;
        EndPoint candidate = _candidates[_candidate];
        Socket? socket = null;
        try
        {
            socket = new Socket(candidate.AddressFamily, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
            socket.Connect(candidate);
            return socket;
        }
        catch (SocketException e)
        {
            // The platform's word for ENOENT of a path.
            Problem = e.SocketErrorCode == SocketError.AddressNotAvailable && !_address.IsUdp ? "there is no such socket" : e.Message;
            socket?.Dispose();
            _candidate = (_candidate + 1) % _candidates.Length;
            return null;
        }
    }

    private void Forget()
    {
        _socket?.Dispose();
        _socket = null;
        if (_candidates.Length > 0)
            _candidate = (_candidate + 1) % _candidates.Length;
    }
}
