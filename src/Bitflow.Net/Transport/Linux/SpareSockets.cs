using System.Net;
using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// Sockets of a loop that had a connection to this machine. The next dial takes one from what is left of it (connect(2), AF_UNSPEC), which spares the kernel a new
/// socket with its file and its place in epoll, and the end of the old one.
/// </summary>
internal sealed class SpareSockets(LinuxLoop loop, int most) : LoopTimer
{
    private readonly List<SpareSocket> _kept = [];
    private Spares _state = SparesModule.Start(most);
    private bool _beats;

    /// <summary>How many are kept now.</summary>
    public int Count => _kept.Count;

    /// <summary>Says our end where it has not been said, and keeps the socket if nothing is under way any more. Where it is not kept it is to be closed.</summary>
    public bool TryKeep(in SpareSocket socket, bool isEnded)
    {
        if (!_state.HasRoom || (!isEnded && Libc.Shutdown(socket.Descriptor, Libc.ShutWrite) < 0) || Libc.UnsentBytes(socket.Descriptor) > 0)
            return false;
        loop.Vacate(socket.Number);
        _kept.Add(socket);
        _state = SparesModule.Keep(_state);
        if (!_beats)
            BeatLater(loop.Now);
        return true;
    }

    /// <summary>A socket for a target, no longer connected, if there is one.</summary>
    public SpareSocket? TryTake(IPEndPoint target)
    {
        if (_kept.Count == 0 || _kept[^1].Family != SocketAddresses.FamilyOf(target) || !SparesModule.MayServe(target.Address))
            return null;
        SpareSocket taken = _kept[^1];
        _kept.RemoveAt(_kept.Count - 1);
        _state = SparesModule.Take(_state);
        if (Libc.Disconnect(taken.Descriptor) >= 0)
            return taken;
        Close(taken);
        Close();
        return null;
    }

    /// <summary>The last that was kept is the first to be taken: those that nobody needs lie at the bottom.</summary>
    public override void Fire(Instant now)
    {
        int unused = _state.Unused;
        foreach (ref readonly SpareSocket spare in CollectionsMarshal.AsSpan(_kept)[..unused])
            Close(spare);
        _kept.RemoveRange(0, unused);
        _state = SparesModule.DropUnused(_state);
        _beats = false;
        if (_kept.Count > 0)
            BeatLater(now);
    }

    private void BeatLater(Instant now)
    {
        _beats = true;
        loop.Arm(this, now + SparesModule.beat);
    }

    /// <summary>Closes all, and keeps none from now on.</summary>
    public void Close()
    {
        foreach (ref readonly SpareSocket spare in CollectionsMarshal.AsSpan(_kept))
            Close(spare);
        _kept.Clear();
        _state = SparesModule.None;
    }

    private void Close(in SpareSocket spare)
    {
        loop.Unregister(spare.Descriptor, spare.Number, shared: false);
        _ = Libc.Close(spare.Descriptor);
    }
}
