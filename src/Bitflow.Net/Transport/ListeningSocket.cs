using System.Collections.Concurrent;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport;

/// <summary>
/// One bound, listening socket: TCP, Unix or inherited. Owns the descriptor, and the file of a Unix socket that it bound itself.
/// </summary>
internal sealed partial class ListeningSocket
{
    /// <summary>Connections that may wait to be accepted; the kernel lowers it to net.core.somaxconn.</summary>
    public const int Backlog = 4096;

    /// <summary>Those of this process that are open: who cannot have an address is told when it is one of these that has it.</summary>
    private static readonly ConcurrentDictionary<ListeningSocket, Address> Ours = [];

    private readonly string? _boundPath;
    private readonly FileIdentity? _boundFile;
    private readonly bool _inherited;
    private int _closed;

    private ListeningSocket(Socket socket, Address address, string? boundPath = null, bool inherited = false)
    {
        _inherited = inherited;
        Socket = socket;
        Address = address;
        Local = Endpoints.FromPlatform(socket.LocalEndPoint);
        _boundPath = boundPath;
        _boundFile = boundPath is null ? null : Libc.Identify(boundPath);
        Ours.TryAdd(this, Local.TakenFor(address));
    }

    public Socket Socket { get; }

    public int Descriptor => (int)Socket.Handle;

    /// <summary>The address of the configuration that asked for it.</summary>
    public Address Address { get; }

    /// <summary>Where it really listens: the port that was bound, for port 0.</summary>
    public Endpoint Local { get; }

    public bool IsTcp => Local is Endpoint.Ip;

    /// <summary>
    /// Whether accepted sockets come with no delay set and urgent data in its place, which Linux copies from the listener. An inherited listener had clients in its queue
    /// before we could set anything.
    /// </summary>
    public bool ClientsInheritSettings { get; private init; }

    private byte[][] OptionsBefore { get; init; } = [];

    /// <summary>How many connections may wait to be accepted now: where the system does not say, as many as can.</summary>
    public int MostWaiting => OperatingSystem.IsLinux() && Libc.Waiting(Descriptor) is >= 0 and int waiting ? waiting : Backlog;

    /// <summary>
    /// How many that wait now its closing resets: none where whoever passed the socket holds it still, and as many as are known of where the system does not say.
    /// </summary>
    public int LostAtClose => !_inherited && OperatingSystem.IsLinux() ? Math.Max(0, Libc.Waiting(Descriptor)) : 0;

    /// <summary>Closes the socket, and removes the file of a Unix socket if it is still the one that was bound.</summary>
    public void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        Ours.TryRemove(this, out _);
        if (_boundPath is not null && _boundFile is { } file && Libc.Identify(_boundPath) is { } now && now == file)
        {
            // Not fatal where it fails: the next start finds a socket that refuses, which is stale.
            _ = Libc.Unlink(_boundPath);
        }

        if (_inherited)
        {
            SharedSocket.GiveBack(Descriptor, OptionsBefore);
            InheritedSockets.Close(Descriptor);
        }

        Socket.Dispose();
    }

    /// <summary>
    /// Takes the opening back, because the configuration that asked for it is not taken on: as closing, but an inherited socket stays open
    /// for a later one.
    /// </summary>
    public void Undo()
    {
        if (!_inherited)
        {
            Close();
            return;
        }

        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        Ours.TryRemove(this, out _);
        SharedSocket.GiveBack(Descriptor, OptionsBefore);
        InheritedSockets.Return(Descriptor);
        Socket.SafeHandle.SetHandleAsInvalid();
    }
}
