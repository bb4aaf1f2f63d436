using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Linux;

/// <summary>
/// The listening sockets that a service manager passed to this process (sd_listen_fds(3)). The environment is read once, at the first use,
/// and cleared, so that no child takes the sockets for its own; the descriptors themselves are kept from children too (SD-4).
/// </summary>
internal static class InheritedSockets
{
    private static readonly SystemdSockets Given = TakeFromEnvironment();
    private static readonly HashSet<int> Closed = [];

    /// <summary>The descriptors that LISTEN_FDNAMES gives this name to.</summary>
    /// <exception cref="ListenException">Where there is none.</exception>
    public static IReadOnlyList<int> Named(string name)
    {
        var found = SystemdSocketsModule.Named(name, Given);
        return found.IsOk ? [.. found.ResultValue] : throw new ListenException(SystemdSocketsModule.DescribeNamed(name, found.ErrorValue));
    }

    /// <summary>
    /// Closed descriptors stay known: their numbers come back for other sockets, which must not be mistaken for what was inherited.
    /// </summary>
    public static void MarkClosed(int descriptor)
    {
        lock (Closed)
            Closed.Add(descriptor);
    }

    public static bool IsClosed(int descriptor)
    {
        lock (Closed)
            return Closed.Contains(descriptor);
    }

    private static SystemdSockets TakeFromEnvironment()
    {
        SystemdSockets given = SystemdSocketsModule.Read(
            Environment.ProcessId,
            Environment.GetEnvironmentVariable("LISTEN_PID"),
            Environment.GetEnvironmentVariable("LISTEN_FDS"),
            Environment.GetEnvironmentVariable("LISTEN_FDNAMES"));
        foreach (string variable in SystemdSocketsModule.variables)
            Environment.SetEnvironmentVariable(variable, null);
        if (given is SystemdSockets.Given sockets)
        {
            foreach ((int descriptor, _) in sockets.Item)
            {
                // One that is not open fails where a listener asks for it.
                _ = Libc.Fcntl(descriptor, Libc.FSetFd, Libc.FdCloexec);
            }
        }

        return given;
    }
}
