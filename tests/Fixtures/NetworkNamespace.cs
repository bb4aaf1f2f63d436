using System.Diagnostics;
using Xunit;

namespace Bitflow.Tests.Fixtures;

/// <summary>A network of a test's own: a namespace at the other end of a virtual cable, which can be pulled.</summary>
internal sealed class NetworkNamespace : IDisposable
{
    private readonly string _name;
    private readonly string _here;

    /// <param name="number">1 to 250, different for namespaces that exist at once.</param>
    public NetworkNamespace(int number)
    {
        _name = $"bitflow-{Environment.ProcessId}-{number}";
        _here = $"bf{Environment.ProcessId % 100_000}n{number}";
        Here = $"10.213.{number}.1";
        There = $"10.213.{number}.2";
        Run("netns", "add", _name);
        Run("link", "add", _here, "type", "veth", "peer", "name", "far", "netns", _name);
        Run("addr", "add", $"{Here}/24", "dev", _here);
        Run("link", "set", _here, "up");
        Run("-n", _name, "addr", "add", $"{There}/24", "dev", "far");
        Run("-n", _name, "link", "set", "far", "up");
        Run("-n", _name, "link", "set", "lo", "up");
    }

    /// <summary>Our address on the cable, and theirs.</summary>
    public string Here { get; }

    public string There { get; }

    /// <summary>What starts a program at the far end.</summary>
    public IReadOnlyList<string> Inside => ["ip", "netns", "exec", _name];

    /// <summary>Runs a program at the far end.</summary>
    public ChildProcess Start(params string[] command) => new("ip", [.. Inside.Skip(1), .. command]);

    /// <summary>From now on every packet is lost, without a word to either end.</summary>
    public void PullCable() => Run("-n", _name, "link", "set", "far", "down");

    public void Dispose()
    {
        Run("link", "del", _here);
        Run("netns", "del", _name);
    }

    internal static bool ArePermitted()
    {
        try
        {
            string name = $"bitflow-probe-{Environment.ProcessId}";
            Run("netns", "add", name);
            Run("netns", "del", name);
            return true;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static void Run(params string[] arguments)
    {
        using var ip = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        if (!ip.WaitForExit(Eventually.Patience))
            throw new TimeoutException($"ip {string.Join(' ', arguments)} does not end");
        if (ip.ExitCode != 0)
            throw new InvalidOperationException($"ip {string.Join(' ', arguments)}: {ip.StandardError.ReadToEnd()}");
    }
}

/// <summary>A test that needs a network of its own.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NetworkTheoryAttribute : TheoryAttribute
{
    private static readonly Lazy<bool> Permitted = new(NetworkNamespace.ArePermitted);

    public NetworkTheoryAttribute()
    {
        if (!Permitted.Value)
            Skip = "network namespaces are not permitted here (ip netns add fails)";
    }
}
