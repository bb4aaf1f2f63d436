namespace Bitflow.Net.Linux;

/// <summary>The ports from which the kernel gives outgoing connections theirs (ip(7), ip_local_port_range; for IPv6 too), as they were at the first dial.</summary>
internal static class LocalPorts
{
    private static readonly (int First, int Last) Range = Read();

    /// <summary>Whether an outgoing connection may be given this port; true where that cannot be known.</summary>
    public static bool MayInclude(int port) => port >= Range.First && port <= Range.Last;

    private static (int First, int Last) Read()
    {
        try
        {
            string[] words = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            return words.Length == 2 && int.TryParse(words[0], out int first) && int.TryParse(words[1], out int last) ? (first, last) : (0, ushort.MaxValue);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (0, ushort.MaxValue);
        }
    }
}
