using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Spec;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// What the simulator says of a scenario, the program does: the same script is played in virtual time and with sockets, and reason,
/// target and attempts are compared. The program's word is its connection log.
/// </summary>
public sealed class RehearsalTests
{
    public static TheoryData<string> Names => [.. Rehearsals.all.Select(r => r.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_program_does_what_the_simulator_says(string name)
    {
        Rehearsal rehearsal = Rehearsals.all.Single(r => r.Name == name);
        Played foreseen = Rehearsals.simulate(rehearsal);
        using var targets = new Targets(rehearsal);
        string log = Path.Combine(Path.GetTempPath(), $"bitflow-rehearsal-{Guid.NewGuid():N}.jsonl");
        try
        {
            string yaml = rehearsal.Yaml.Replace("@log", log, StringComparison.Ordinal);
            foreach ((string target, string address) in targets.Addresses)
                yaml = yaml.Replace($"@{target}", address, StringComparison.Ordinal);
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(yaml);
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            Task playing = ConnectAndPlayAsync(client, bitflow.EndPoint(), rehearsal.FromClient);
            await Eventually.IsTrueAsync(() => File.Exists(log) && File.ReadAllText(log).EndsWith('\n'), $"a line in the connection log; the log:\n{bitflow.Errors}");
            ConnectionRecord record = ConnectionLogLine.TryParse((await File.ReadAllTextAsync(log)).TrimEnd()).ResultValue;
            Assert.Equal(foreseen, new Played(record.CloseReason.Value.ToString(), record.Target, record.DialAttempts));
            client.Dispose();
            await playing;
        }
        finally
        {
            File.Delete(log);
        }
    }

    private static async Task ConnectAndPlayAsync(Socket client, EndPoint at, SideScript script)
    {
        try
        {
            await client.ConnectAsync(at);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Refused so soon that connecting itself says so.
            return;
        }

        await PlayAsync(client, script);
    }

    /// <summary>Plays one side: its pieces, then its end, while everything that comes is read.</summary>
    private static async Task PlayAsync(Socket socket, SideScript script)
    {
        try
        {
            Task reading = SwallowAsync(socket);
            byte[] piece = new byte[script.PieceBytes];
            for (int i = 0; i < script.Pieces; i++)
            {
                await Task.Delay(script.GapMs);
                await socket.SendAllAsync(piece);
            }

            await Task.Delay(script.GapMs);
            if (script.Finally == RelayEvent.Ended)
            {
                socket.Shutdown(SocketShutdown.Send);
            }
            else if (script.Finally == RelayEvent.Reset)
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
            }

            await reading;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The other side of the scenario, or its end, came first.
        }
    }

    private static async Task SwallowAsync(Socket socket)
    {
        byte[] buffer = new byte[16 * 1024];
        try
        {
            while (await socket.ReceiveAsync(buffer).Patiently() > 0)
            {
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // A reset is one of the ends that scenarios have.
        }
    }

    /// <summary>The targets of a scenario: those that are up play their side, those that refuse are ports at which nothing listens.</summary>
    private sealed class Targets : IDisposable
    {
        private readonly List<IDisposable> _held = [];

        public Targets(Rehearsal rehearsal)
        {
            foreach ((string name, TargetMood mood) in rehearsal.Moods)
            {
                if (mood.IsUp)
                {
                    Peer peer = Peer.Serving(socket => PlayAsync(socket, rehearsal.FromTarget));
                    _held.Add(peer);
                    Addresses.Add((name, peer.Address));
                }
                else
                {
                    // Bound and not listening: nobody else can be given the port meanwhile.
                    var bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));
                    _held.Add(bound);
                    Addresses.Add((name, bound.LocalEndPoint!.ToString()!));
                }
            }
        }

        public List<(string Name, string Address)> Addresses { get; } = [];

        public void Dispose() => _held.ForEach(h => h.Dispose());
    }
}
