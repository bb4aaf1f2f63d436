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
    /// <returns>What was so before, for <see cref="GiveBack"/>.</returns>
    public static byte[][] NeverWaits(int descriptor)
    {
        if (!OperatingSystem.IsLinux())
            return [];
        byte[][] before = [.. Options.Select(option => Libc.GetOption(descriptor, option))];
        foreach (int limit in (int[])[Libc.SoReceiveTimeout, Libc.SoSendTimeout])
            _ = Libc.SetTimeLimit(descriptor, limit, microseconds: 1);
        _ = Libc.SetLinger(descriptor, isOn: false);
        return before;
    }

    /// <summary>
    /// Leaves a listener's options as they were: another may serve with it next. O_NONBLOCK stays on, for another may serve with it now, and would wait with all its clients in an accept that
    /// finds nobody; who wants it off says so, as a service manager does for whom it starts.
    /// </summary>
    public static void GiveBack(int descriptor, byte[][] before)
    {
        foreach ((int option, byte[] value) in Options.Zip(before))
            _ = Libc.SetOption(descriptor, option, value);
    }

    /// <summary>Ends both ways. The peer hears of it, whoever else holds the socket.</summary>
    public static void End(int descriptor) => _ = Libc.Shutdown(descriptor, Libc.ShutBoth);

    /// <summary>Resets a connection of TCP; where the kernel will not have that now, when the last who holds it closes it. Never an end in good order.</summary>
    public static void Reset(int descriptor)
    {
        if (Libc.Disconnect(descriptor) < 0)
            _ = Libc.SetResetOnClose(descriptor);
    }
}
