namespace Bitflow.Net.Linux;

/// <summary>
/// A socket that was passed: whoever passed it may hold it still. Its flags and options are then theirs too, O_NONBLOCK among them, which a service manager takes
/// off before it starts another program with the socket; and close says nothing to the peer.
/// </summary>
internal static class SharedSocket
{
    private static readonly int[] Options = [Libc.SoReceiveTimeout, Libc.SoSendTimeout, Libc.SoLinger];

    /// <summary>
    /// No call waits for longer than a tick of the kernel from now on, whatever becomes of O_NONBLOCK, and no close for what is unsent: a listener of TCP hands both on to
    /// what it accepts. Refused where the socket was reset already, which its next use says.
    /// </summary>
    /// <returns>What was so before, for <see cref="GiveBack"/>; null where nothing was changed.</returns>
    public static Before? NeverWaits(int descriptor)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        var before = new Before(Libc.Fcntl(descriptor, Libc.FGetFlags, 0), [.. Options.Select(option => Libc.GetOption(descriptor, option))]);
        foreach (int limit in (int[])[Libc.SoReceiveTimeout, Libc.SoSendTimeout])
            _ = Libc.SetTimeLimit(descriptor, limit, microseconds: 1);
        _ = Libc.SetLinger(descriptor, isOn: false);
        return before;
    }

    /// <summary>Leaves a listener as it was, O_NONBLOCK too: another may serve with it next.</summary>
    public static void GiveBack(int descriptor, Before? before)
    {
        if (before is null)
            return;
        foreach ((int option, byte[] value) in Options.Zip(before.Options))
            _ = Libc.SetOption(descriptor, option, value);
        if (before.Flags >= 0 && (before.Flags & Libc.NonBlocking) == 0 && Libc.Fcntl(descriptor, Libc.FGetFlags, 0) is >= 0 and int now)
            _ = Libc.Fcntl(descriptor, Libc.FSetFlags, now & ~Libc.NonBlocking);
    }

    /// <summary>Ends both ways. The peer hears of it, whoever else holds the socket.</summary>
    public static void End(int descriptor) => _ = Libc.Shutdown(descriptor, Libc.ShutBoth);

    /// <summary>Resets a connection of TCP; where the kernel will not have that now, when the last who holds it closes it. Never an end in good order.</summary>
    public static void Reset(int descriptor)
    {
        if (Libc.Disconnect(descriptor) < 0)
            _ = Libc.SetResetOnClose(descriptor);
    }

    /// <summary>How a socket was before.</summary>
    /// <param name="Flags">Of its open file (fcntl(2), F_GETFL); negative where they cannot be had.</param>
    /// <param name="Options">The values of what is changed, as the kernel gives them.</param>
    public sealed record Before(int Flags, byte[][] Options);
}
