using System.Net;
using System.Net.Sockets;

namespace Bitflow.Tests.Fixtures;

/// <summary>An nginx that serves one file, `/file`, over TCP and a Unix socket.</summary>
internal sealed class Nginx : IDisposable
{
    private readonly ChildProcess _process;

    private Nginx(string folder, int port, string digest, ChildProcess process)
    {
        Folder = folder;
        Port = port;
        Digest = digest;
        _process = process;
    }

    public string Folder { get; }

    public int Port { get; }

    public string SocketPath => Path.Combine(Folder, "nginx.sock");

    /// <summary>SHA-256 of the file.</summary>
    public string Digest { get; }

    public static async Task<Nginx> StartAsync()
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-nginx-").FullName;
        byte[] file = SocketWords.Noise(5_000_000);
        await File.WriteAllBytesAsync(Path.Combine(folder, "file"), file);
        int port = Ports.Next();
        await File.WriteAllTextAsync(
            Path.Combine(folder, "nginx.conf"),
            $$"""
            user root;
            daemon off;
            pid {{folder}}/nginx.pid;
            error_log {{folder}}/error.log;
            worker_processes 1;
            events { worker_connections 256; }
            http {
                access_log off;
                client_body_temp_path {{folder}}/t1; proxy_temp_path {{folder}}/t2; fastcgi_temp_path {{folder}}/t3;
                uwsgi_temp_path {{folder}}/t4; scgi_temp_path {{folder}}/t5;
                server { listen 127.0.0.1:{{port}}; listen unix:{{folder}}/nginx.sock; root {{folder}}; }
            }
            """);
        var process = new ChildProcess("/usr/sbin/nginx", ["-c", Path.Combine(folder, "nginx.conf"), "-e", Path.Combine(folder, "error.log")]);
        var nginx = new Nginx(folder, port, SocketWords.Digest(file), process);
        await Eventually.IsTrueAsync(() => Answers(port) || process.HasExited, "nginx listens");
        return process.HasExited ? throw new InvalidOperationException(process.Errors + process.Output) : nginx;
    }

    public void Dispose()
    {
        _process.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static bool Answers(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
