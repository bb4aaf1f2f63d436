using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport.Linux;

namespace Bitflow.Net.Transport;

/// <summary>The ways to come by one: an address of TCP or each of a name, a path, an abstract name, a descriptor that was passed.</summary>
internal sealed partial class ListeningSocket
{
    /// <summary>Binds an address; a name is resolved now and every address of it is bound.</summary>
    /// <param name="address">What to listen on.</param>
    /// <param name="giveUp">Ends the wait for a name server.</param>
    /// <exception cref="ListenException">Where that cannot be; nothing stays bound.</exception>
    /// <exception cref="OperationCanceledException">It was given up; nothing stays bound.</exception>
    public static IReadOnlyList<ListeningSocket> Open(Address address, CancellationToken giveUp = default)
    {
        switch (address)
        {
            case Address.Tcp tcp:
                return All(LocalAddresses(tcp, giveUp), ip => OpenTcp(tcp, ip));
            case Address.UnixPath unix:
                return [OpenUnixPath(unix)];
            case Address.UnixAbstract name:
                return [Bind(NewSocket(AddressFamily.Unix, address), Endpoints.OfAbstractName(name.name), address)];
            case Address.Descriptor descriptor:
                return [Inherit(address, descriptor.number)];
            default:
                // A name need not be unique (SD-3): all sockets that bear it serve.
                return All(InheritedSockets.Named(((Address.NamedDescriptor)address).name), descriptor => Inherit(address, descriptor));
        }
    }

    /// <summary>All of them, or none: where one cannot be had the others are taken back.</summary>
    private static List<ListeningSocket> All<T>(IEnumerable<T> wanted, Func<T, ListeningSocket> open)
    {
        var opened = new List<ListeningSocket>();
        try
        {
            foreach (T one in wanted)
                opened.Add(open(one));
            return opened;
        }
        catch
        {
            foreach (ListeningSocket socket in opened)
                socket.Undo();
            throw;
        }
    }

    private static ListeningSocket OpenTcp(Address.Tcp tcp, IPAddress ip)
    {
        bool v6 = ip.AddressFamily == AddressFamily.InterNetworkV6;
        bool isEveryAddress = v6 && tcp.host.IsAny && tcp.family.IsEither;
        Socket socket;
        try
        {
            socket = NewSocket(ip.AddressFamily, tcp);
        }
        catch (ListenException e) when (isEveryAddress && MayLackV6(e))
        {
            return OpenTcp(tcp, IPAddress.Any);
        }

        Span<byte> on = BitConverter.GetBytes(1);

        // Not SocketOptionName.ReuseAddress, which sets SO_REUSEPORT too and would let two programs share a port unseen.
        socket.SetRawSocketOption(Libc.SolSocket, Libc.SoReuseAddr, on);
        if (v6)
            socket.DualMode = isEveryAddress;
        socket.NoDelay = true;
        SocketSettings.TakeUrgentInPlace(socket);
        try
        {
            return Bind(socket, new IPEndPoint(ip, tcp.port), tcp);
        }
        catch (ListenException e) when (isEveryAddress && MayLackV6(e))
        {
            return OpenTcp(tcp, IPAddress.Any);
        }
    }

    private static bool MayLackV6(ListenException e) => ListenFaultModule.MayLackV6(e.Fault);

    private static IPAddress[] LocalAddresses(Address.Tcp tcp, CancellationToken giveUp)
    {
        switch (tcp.host)
        {
            case Host.Literal literal:
                return [literal.Item];
            case Host.Name name:
                Resolution found = LookUp(name.Item, giveUp);
                if (found.Fault is { } fault)
                    throw new ListenException(tcp, ListenFault.NewNameWithoutAddress(name.Item, fault));
                IPAddress[] usable = [.. AddressChoice.Usable(tcp.family, found.Addresses).Distinct()];
                return usable.Length > 0 ? usable : throw new ListenException(tcp, ListenFault.NewNameWithoutFamily(name.Item));
            default:
                return [tcp.family.IsV4 || !Socket.OSSupportsIPv6 ? IPAddress.Any : IPAddress.IPv6Any];
        }
    }

    /// <summary>Nothing ends a lookup that no name server answers: one that is given up is only not waited for any more.</summary>
    private static Resolution LookUp(string name, CancellationToken giveUp) =>
        Task.Run(() => Resolution.Of(name, Dns.GetHostAddresses), CancellationToken.None).WaitAsync(giveUp).GetAwaiter().GetResult();

    private static ListeningSocket OpenUnixPath(Address.UnixPath address)
    {
        string path = address.path;
        if (Libc.Identify(path) is { } there)
        {
            if (!there.IsSocket)
                throw new ListenException(address, ListenFault.NoSocketAtPath);
            if (Ours.Keys.FirstOrDefault(ours => ours._boundFile == there || ours.Local.Equals(Endpoint.NewUnix(path))) is { } holder)
                throw TakenByUs(address, holder);
            if (ListenFaultModule.OfProbe(Probe(address)) is { IsSome: true, Value: var fault })
                throw new ListenException(address, fault);
            if (Libc.Unlink(path) != 0)
                throw new ListenException(address, ListenFault.StaleStaysAtPath);
        }

        return Bind(NewSocket(AddressFamily.Unix, address), new UnixDomainSocketEndPoint(path), address, path);
    }

    /// <summary>The errno that connecting there is answered with; 0 where somebody listens.</summary>
    private static int Probe(Address.UnixPath address)
    {
        using Socket probe = NewSocket(AddressFamily.Unix, address);
        probe.Blocking = false;
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(address.path));
            return 0;
        }
        catch (SocketException e)
        {
            return e.NativeErrorCode;
        }
    }

    /// <summary>Takes the descriptor as it is: its address and its options are those of whoever made it (SD-6, SD-7), but for those by which others would wait.</summary>
    private static ListeningSocket Inherit(Address address, int descriptor)
    {
        InheritedSockets.Claim(descriptor, address);
        try
        {
            EnsureListening(address, descriptor);
            byte[][] before = SharedSocket.NeverWaits(descriptor);
            return new ListeningSocket(new Socket(new SafeSocketHandle(descriptor, ownsHandle: true)), address, inherited: true) { OptionsBefore = before };
        }
        catch
        {
            InheritedSockets.Return(descriptor);
            throw;
        }
    }

    private static void EnsureListening(Address address, int descriptor)
    {
        Socket socket;
        try
        {
            socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: false));
        }
        catch (SocketException e)
        {
            throw new ListenException(address, ListenFault.NewInherited(descriptor, InheritedFault.NewNoSocket(e.Message)), e);
        }

        Span<byte> accepting = stackalloc byte[4];
        bool listens;
        try
        {
            socket.GetRawSocketOption(Libc.SolSocket, Libc.SoAcceptConn, accepting);
            listens = BitConverter.ToInt32(accepting) != 0 && socket.SocketType == SocketType.Stream
                && socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 or AddressFamily.Unix;
        }
        catch (SocketException)
        {
            listens = false;
        }

        socket.Dispose();
        if (!listens)
            throw new ListenException(address, ListenFault.NewInherited(descriptor, InheritedFault.NotListening));
        if (Libc.Fcntl(descriptor, Libc.FSetFd, Libc.FdCloexec) != 0)
            throw new ListenException(address, ListenFault.NewInherited(descriptor, InheritedFault.NotKept));
    }

    private static ListeningSocket? Holder(Address wanted) => Ours.FirstOrDefault(ours => ListenerAddress.Overlap(ours.Value, wanted)).Key;

    private static ListenException TakenByUs(Address address, ListeningSocket holder) =>
        new(address, ListenFault.InUseByBitflow) { Holder = holder.Address };

    private static Socket NewSocket(AddressFamily family, Address address)
    {
        try
        {
            return new Socket(family, SocketType.Stream, family == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        }
        catch (SocketException e)
        {
            throw new ListenException(address, ListenFaultModule.OfSocket(Libc.DescriptorLimit(), e.NativeErrorCode), e);
        }
    }

    /// <summary>
    /// The platform removes the file at the path when it disposes a socket that it bound, whoever's file that is by then. One that was bound
    /// behind its back it leaves alone; <see cref="Close"/> looks before it unlinks.
    /// </summary>
    private static Socket BindPath(Socket socket, EndPoint endpoint, Address address)
    {
        Span<byte> where = stackalloc byte[SocketAddresses.MaxBytes];
        int answer = Libc.Bind((int)socket.Handle, where[..SocketAddresses.Write(endpoint, where)]);
        if (answer < 0)
        {
            socket.Dispose();
            throw new ListenException(address, ListenFaultModule.OfBindAtPath(-answer));
        }

        // Disposed, the first would wait for a handle that is no longer its own.
        var bound = new Socket(new SafeSocketHandle((int)socket.Handle, ownsHandle: true));
        socket.SafeHandle.SetHandleAsInvalid();
        return bound;
    }

    private static ListeningSocket Bind(Socket socket, EndPoint endpoint, Address address, string? path = null)
    {
        try
        {
            if (path is null)
                socket.Bind(endpoint);
            else
                socket = BindPath(socket, endpoint, address);
            socket.Listen(Backlog);
            return new ListeningSocket(socket, address, path) { ClientsInheritSettings = OperatingSystem.IsLinux() };
        }
        catch (SocketException e)
        {
            socket.Dispose();
            bool isName = address is Address.UnixAbstract;
            ListenFault fault = isName ? ListenFaultModule.OfBindAtName(e.NativeErrorCode) : ListenFaultModule.OfBind(e.NativeErrorCode);
            if ((fault.IsInUse || fault.IsNameInUse) && Holder(Endpoints.FromPlatform(endpoint).TakenFor(address)) is { } holder)
                throw TakenByUs(address, holder);
            throw new ListenException(address, fault, e);
        }
    }
}
