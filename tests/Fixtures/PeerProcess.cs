namespace Bitflow.Tests.Fixtures;

/// <summary>A real peer: a program that runs in the foreground with a folder of its own, and ends with the test.</summary>
internal sealed class PeerProcess : ChildProcess
{
    private PeerProcess(string home, string program, IEnumerable<string> arguments)
        : base(program, arguments, workingDirectory: home) => Home = home;

    public string Home { get; }

    /// <summary>Makes a folder for a peer's files.</summary>
    public static string NewHome() => Directory.CreateTempSubdirectory("bitflow-peer-").FullName;

    /// <summary>Starts it and waits until every port listens.</summary>
    public static async Task<PeerProcess> StartAsync(string home, string program, IEnumerable<string> arguments, params int[] ports)
    {
        var peer = new PeerProcess(home, program, arguments);
        foreach (int port in ports)
        {
            await Eventually.IsTrueAsync(
                () => peer.HasExited || Ports.Listens(port),
                () => $"{program} listens on {port}; it said:\n{peer.Output}{peer.Errors}");
        }

        return peer.HasExited ? throw new InvalidOperationException($"{program} ended:\n{peer.Output}{peer.Errors}") : peer;
    }

    public override void Dispose()
    {
        base.Dispose();
        Directory.Delete(Home, recursive: true);
    }
}
