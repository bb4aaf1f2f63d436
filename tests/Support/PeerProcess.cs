using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Bitflow.Tests.Support;

/// <summary>A real peer: a program that runs in the foreground with a directory of its own, and dies with the test.</summary>
internal sealed class PeerProcess : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private PeerProcess(string directory, ProcessStartInfo start)
    {
        Home = directory;
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Note(line.Data);
        _process.ErrorDataReceived += (_, line) => Note(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Home { get; }

    public int Id => _process.Id;

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    /// <summary>Makes a directory for a peer's files.</summary>
    public static string NewHome() => Directory.CreateTempSubdirectory("bitflow-peer-").FullName;

    /// <summary>Starts it and waits until every port listens.</summary>
    public static async Task<PeerProcess> StartAsync(string home, string program, IEnumerable<string> arguments, params int[] ports)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = home,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var peer = new PeerProcess(home, start);
        using var patience = new CancellationTokenSource(Patience.Bound);
        foreach (int port in ports)
        {
            while (!await ListensAsync(port))
            {
                Assert.False(patience.IsCancellationRequested || peer._process.HasExited, $"{program} does not listen on {port}:\n{peer.Output}");
                await Task.Delay(10);
            }
        }

        return peer;
    }

    public async Task<int> ExitedAsync()
    {
        await _process.WaitForExitAsync().Patiently();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(Home, recursive: true);
    }

    private static async Task<bool> ListensAsync(int port)
    {
        // Looked up, not tried: a connection for trial would be one that the peer talks about.
        string[] tables = ["/proc/net/tcp", "/proc/net/tcp6"];
        string wanted = $":{port:X4}";
        foreach (string table in tables)
        {
            foreach (string line in await File.ReadAllLinesAsync(table))
            {
                string[] columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (columns[1].EndsWith(wanted, StringComparison.Ordinal) && columns[3] == "0A")
                    return true;
            }
        }

        return false;
    }

    private void Note(string? line)
    {
        lock (_output)
            _output.AppendLine(line);
    }
}
