namespace Bitflow.Tests.Fixtures;

/// <summary>HAProxy in the foreground.</summary>
internal static class Haproxy
{
    /// <param name="home">From <see cref="PeerProcess.NewHome"/>.</param>
    /// <param name="sections">Frontends and backends.</param>
    /// <param name="ports">Those it will listen on.</param>
    public static async Task<PeerProcess> StartAsync(string home, string sections, params int[] ports)
    {
        string file = Path.Combine(home, "haproxy.cfg");
        await File.WriteAllTextAsync(
            file,
            $"""
            global
              maxconn 100
            defaults
              mode tcp
              timeout connect 5s
              timeout client 20s
              timeout server 20s
            {sections}

            """);
        return await PeerProcess.StartAsync(home, "haproxy", ["-db", "-f", file], ports);
    }
}
