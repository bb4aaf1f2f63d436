using System.Globalization;
using Bitflow.Bench.Load;

namespace Bitflow.Bench.Proxies;

/// <summary>What every contender of a run shares: certificates, ports, the target, and the way clients speak TLS.</summary>
internal sealed class Arena : IDisposable
{
    private readonly Target target = new();
    private readonly Dictionary<string, int> targetPorts = [];

    public Arena(string peersDirectory)
    {
        PeersDirectory = peersDirectory;
        Tls = new TlsClient(Workshop.Authority);
        OtherPort = target.Listen(OtherName, Ports.Next());
    }

    public string PeersDirectory { get; }

    /// <summary>How many connections the limit on descriptors carries at two each, with room for a proxy's pipes and own needs.</summary>
    public static int Connections { get; } = Math.Clamp((DescriptorLimit() - 2_000) / 2, 100, 8_500);

    public Workshop Workshop { get; } = new();

    public Ports Ports { get; } = new();

    public TlsClient Tls { get; }

    /// <summary>How the target calls itself on its first ports.</summary>
    public const byte TargetName = (byte)'a';

    /// <summary>How it calls itself where the other server name leads.</summary>
    public const byte OtherName = (byte)'b';

    public int OtherPort { get; }

    /// <summary>Connections to the target that have not ended.</summary>
    public int OpenAtTarget => target.Open;

    public string? TargetFault => target.Fault;

    /// <summary>
    /// A target port for each contender, so that the pairs of ports which one leaves in TIME_WAIT do not stand in another's way.
    /// </summary>
    public int TargetPort(string contender)
    {
        if (!targetPorts.TryGetValue(contender, out int port))
            targetPorts[contender] = port = target.Listen(TargetName, Ports.Next());
        return port;
    }

    private static int DescriptorLimit()
    {
        string line = File.ReadLines("/proc/self/limits").First(each => each.StartsWith("Max open files", StringComparison.Ordinal));
        string soft = line[26..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
        return int.TryParse(soft, CultureInfo.InvariantCulture, out int limit) ? Math.Min(limit, 1_000_000) : 1_000_000;
    }

    public void Dispose()
    {
        target.Dispose();
        Workshop.Dispose();
    }
}
