namespace Bitflow.Tests.Fixtures;

/// <summary>nginx in the foreground, one process.</summary>
internal static class NginxStream
{
    /// <param name="home">From <see cref="PeerProcess.NewHome"/>.</param>
    /// <param name="servers">`server { … }` blocks of the stream module.</param>
    /// <param name="ports">Those it will listen on.</param>
    public static async Task<PeerProcess> StartAsync(string home, string servers, params int[] ports)
    {
        string file = Path.Combine(home, "nginx.conf");
        const string module = "/usr/lib/nginx/modules/ngx_stream_module.so";
        await File.WriteAllTextAsync(
            file,
            $$"""
            {{(File.Exists(module) ? $"load_module {module};" : "")}}
            daemon off;
            master_process off;
            pid {{home}}/nginx.pid;
            error_log {{home}}/error.log;
            events { worker_connections 200; }
            stream {
              {{servers}}
            }
            """);
        return await PeerProcess.StartAsync(home, "nginx", ["-c", file, "-p", home], ports);
    }
}
