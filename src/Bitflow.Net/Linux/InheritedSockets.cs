using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Linux;

/// <summary>
/// The sockets that this process was started with, and which of them a service manager named (sd_listen_fds(3)). The environment is read once, at
/// the first use, and cleared, so that no child takes the sockets for its own; the descriptors themselves are kept from children too (SD-4).
/// </summary>
internal static class InheritedSockets
{
    /// <summary>
    /// Those that no configuration has used up. Every other number may be a socket of our own: a listener, a client's, one of the runtime. Null where
    /// the system does not show what is open. Noted before <see cref="Given"/> is read, which hides them from children and so from this.
    /// </summary>
    private static readonly HashSet<int>? Passed = NotePassed();

    private static readonly SystemdSockets Given = TakeFromEnvironment();
    private static readonly Lock Gate = new();
    private static readonly Dictionary<int, Address> Serving = [];

    /// <summary>Why one that was passed is gone. Its number comes back for another socket, which must not be mistaken for what was inherited.</summary>
    private static readonly Dictionary<int, InheritedFault> Gone = [];

    /// <summary>Notes what was passed, and reads and clears the environment: now, at the latest.</summary>
    public static void TakeOver() => _ = Given;

    /// <summary>The descriptors that LISTEN_FDNAMES gives this name to.</summary>
    /// <exception cref="ListenException">Where there is none.</exception>
    public static IReadOnlyList<int> Named(string name)
    {
        var found = SystemdSocketsModule.Named(name, Given);
        return found.IsOk ? [.. found.ResultValue] : throw new ListenException(Address.NewNamedDescriptor(name), ListenFault.NewNotNamed(found.ErrorValue));
    }

    /// <summary>What was passed that a configuration has no use for, as a warning; null where there is nothing.</summary>
    public static string? Unasked(Config config) => UnaskedSockets.Describe(config, Given) is { IsSome: true, Value: var unasked } ? unasked : null;

    /// <summary>Null where this process was started with such a socket and still has it; else what became of it.</summary>
    public static InheritedFault? WhyAbsent(int descriptor)
    {
        lock (Gate)
        {
            return Gone.TryGetValue(descriptor, out InheritedFault? gone) ? gone
                : Passed is null || Passed.Contains(descriptor) ? null
                : InheritedFault.NotPassed;
        }
    }

    /// <summary>Takes a descriptor for a listener. Two of them on one descriptor would close it under each other.</summary>
    /// <exception cref="ListenException">Where it was not inherited, another has it, or had it and closed it.</exception>
    public static void Claim(int descriptor, Address address)
    {
        lock (Gate)
        {
            if (WhyAbsent(descriptor) is { } why)
                throw new ListenException(address, ListenFault.NewInherited(descriptor, why));
            if (!Serving.TryAdd(descriptor, address))
                throw new ListenException(address, ListenFault.NewDescriptorInUseByBitflow(descriptor)) { Holder = Serving[descriptor] };
        }
    }

    /// <summary>The descriptor is as it was before it was claimed.</summary>
    public static void Return(int descriptor)
    {
        lock (Gate)
            Serving.Remove(descriptor);
    }

    /// <summary>A listener closes its descriptor.</summary>
    public static void Close(int descriptor)
    {
        lock (Gate)
        {
            Serving.Remove(descriptor);
            Gone.TryAdd(descriptor, InheritedFault.Dropped);
        }
    }

    /// <summary>A connection takes the descriptor for its target's and will close it.</summary>
    public static void UseUp(int descriptor)
    {
        lock (Gate)
            Gone.TryAdd(descriptor, InheritedFault.UsedUp);
    }

    /// <summary>
    /// What comes through exec has no close-on-exec flag, and what the runtime and we open has one. Sockets alone: another file of the runtime's may lack
    /// the flag, and leave its number to a socket later.
    /// </summary>
    private static HashSet<int>? NotePassed()
    {
        if (Libc.OpenDescriptors() is not { } open)
            return null;
        var passed = new HashSet<int>();
        foreach (int descriptor in open)
        {
            if (IsPassedSocket(descriptor))
                passed.Add(descriptor);
        }

        return passed;
    }

    private static bool IsPassedSocket(int descriptor) =>
        Libc.Fcntl(descriptor, Libc.FGetFd, 0) is >= 0 and int flags && (flags & Libc.FdCloexec) == 0
        && Libc.GetOption(descriptor, Libc.SolSocket, Libc.SoAcceptConn, out _) >= 0;

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
