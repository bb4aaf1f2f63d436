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
    private static readonly Lock Gate = new();
    private static readonly Dictionary<int, Address> Serving = [];
    private static readonly HashSet<int> Closed = [];

    /// <summary>Reads and clears the environment now, at the latest.</summary>
    public static void TakeOver() => _ = Given;

    /// <summary>The descriptors that LISTEN_FDNAMES gives this name to.</summary>
    /// <exception cref="ListenException">Where there is none.</exception>
    public static IReadOnlyList<int> Named(string name)
    {
        var found = SystemdSocketsModule.Named(name, Given);
        return found.IsOk ? [.. found.ResultValue] : throw new ListenException(SystemdSocketsModule.DescribeNamed(name, found.ErrorValue));
    }

    /// <summary>Takes a descriptor for a listener. Two of them on one descriptor would close it under each other.</summary>
    /// <exception cref="ListenException">Where another has it, or had it and closed it.</exception>
    public static void Claim(int descriptor, Address address)
    {
        lock (Gate)
        {
            if (Closed.Contains(descriptor))
                throw new ListenException($"{address}: descriptor {descriptor} was closed when an earlier configuration dropped it; restart to have it again");
            if (!Serving.TryAdd(descriptor, address))
                throw new ListenException($"{address}: Bitflow itself has descriptor {descriptor}") { Holder = Serving[descriptor] };
        }
    }

    /// <summary>The descriptor is as it was before it was claimed.</summary>
    public static void Return(int descriptor)
    {
        lock (Gate)
            Serving.Remove(descriptor);
    }

    /// <summary>A closed descriptor stays known: its number comes back for another socket, which must not be mistaken for what was inherited.</summary>
    public static void Close(int descriptor)
    {
        lock (Gate)
        {
            Serving.Remove(descriptor);
            Closed.Add(descriptor);
        }
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
