using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>Where nobody hears what the program says (a full disk, a closed descriptor, a reader that stalls), it does what it does all the same.</summary>
public sealed partial class UnheardTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bitflow-unheard-").FullName;

    private string ConfigPath => Path.Combine(_folder, "config.yaml");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Logging is off, as it is unless it is configured, and a failed reload is said all the same.</summary>
    [Theory]
    [InlineData("2>/dev/full")]
    [InlineData("2>&-")]
    public async Task A_faulty_reload_ends_nothing_where_it_cannot_be_said(string errors)
    {
        using Peer one = Peer.Echo();
        using Peer two = Peer.Serving(async socket => await socket.SendAllAsync("two"));
        int port = Ports.Next();
        Write(port, one.Address);
        using ChildProcess bitflow = Start(errors);
        await Eventually.IsTrueAsync(() => Answers(port), "it serves");
        using Socket open = await ConnectAsync(port);
        await open.SendAllAsync("before");
        Assert.Equal("before", await open.ReadTextAsync(6));

        // Through a pipe, it is known to have been read.
        await NamedPipe.ReplaceAsync(ConfigPath);
        bitflow.Signal("HUP");
        await using (FileStream faulty = await NamedPipe.OpenToWriteAsync(ConfigPath))
            faulty.Write("server: { proxies: [ { nmae: web } ] }\n"u8);
        File.Delete(ConfigPath);
        Write(port, two.Address);
        bitflow.Signal("HUP");
        await Eventually.IsTrueAsync(() => Says(port) == "two", "the next file is in force");
        await open.SendAllAsync("after");
        Assert.Equal("after", await open.ReadTextAsync(5));
    }

    [Fact]
    public async Task A_stopped_process_does_not_wait_for_whoever_reads_its_log()
    {
        using Peer echo = Peer.Echo();
        int port = Ports.Next();
        Write(port, echo.Address, "application: { log: { level: debug } }\n");
        string unread = Path.Combine(_folder, "unread");
        await NamedPipe.MakeAsync(unread);
        await using var reader = new FileStream(unread, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        using ChildProcess bitflow = Start($"2>{unread}");
        await Eventually.IsTrueAsync(() => Answers(port), "it serves");
        await Eventually.IsTrueAsync(() => Answers(port) && bitflow.WaitsToWrite(), "its log is full");
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    [Fact]
    public async Task How_many_lines_a_reader_of_the_log_has_missed_is_said_to_it_when_it_reads_on()
    {
        const int Doubts = 25_000;
        using Peer echo = Peer.Echo();
        int port = Ports.Next();
        string sources = string.Concat(Enumerable.Range(0, Doubts).Select(static i => $", 10.{i / 250}.{i % 250}.1/24"));
        File.WriteAllText(
            ConfigPath,
            $$"""
            application: { log: { level: warn } }
            server:
              proxies:
                - name: web
                  listener: { address: '127.0.0.1:{{port}}', authorized_sources: [ 127.0.0.1{{sources}} ] }
                  targets: [ { name: a, address: '{{echo.Address}}' } ]
            """);
        string log = Path.Combine(_folder, "log");
        await NamedPipe.MakeAsync(log);
        await using var reader = new FileStream(log, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        using ChildProcess bitflow = Start($"2>{log}");
        await Eventually.IsTrueAsync(() => Answers(port), "it serves, before which it says every doubt");

        // Every line is either read or counted.
        using var lines = new StreamReader(reader, Encoding.UTF8, leaveOpen: true);
        int read = 0;
        long dropped = 0;
        while (dropped == 0)
        {
            string line = (await lines.ReadLineAsync().WaitAsync(Eventually.Patience))!;
            Match counted = CountOfDropped().Match(line);
            if (counted.Success)
                dropped = long.Parse(counted.Groups[1].Value, CultureInfo.InvariantCulture);
            else
                read++;
        }

        Assert.InRange(read, 5_000, Doubts);
        bitflow.Signal("TERM");
        while (read + dropped < Doubts)
        {
            Assert.NotNull(await lines.ReadLineAsync().WaitAsync(Eventually.Patience));
            read++;
        }

        Assert.Equal(0, await bitflow.ExitAsync());
    }

    [GeneratedRegex("WARN ([0-9]+) lines of this log were dropped: standard error was read too slowly$")]
    private static partial Regex CountOfDropped();

    [Theory]
    [InlineData(">/dev/full", "standard output cannot be written: No space left on device")]
    [InlineData(">&-", "standard output cannot be written: Bad file descriptor")]
    public async Task A_command_whose_answer_cannot_be_written_has_failed_and_says_so(string output, string words)
    {
        Write(Ports.Next(), "127.0.0.1:9");
        foreach (string command in new[] { $"check --config {ConfigPath}", $"explain --config {ConfigPath} --source 127.0.0.1", $"diff {ConfigPath} {ConfigPath}", "--version" })
        {
            (int status, _, string errors) = await ChildProcess.RunAsync("sh", ["-c", $"exec {Repository.Binary} {command} {output}"]);
            Assert.Equal(2, status);
            Assert.Equal($"bitflow: {words}\n", errors);
        }
    }

    [Theory]
    [InlineData("2>/dev/full")]
    [InlineData("2>&-")]
    public async Task A_complaint_that_cannot_be_written_leaves_the_exit_status(string errors)
    {
        foreach (string command in new[] { "check --config nowhere.yaml", "chekc", "inspect hello nothing" })
        {
            (int status, _, _) = await ChildProcess.RunAsync("sh", ["-c", $"exec {Repository.Binary} {command} {errors}"]);
            Assert.Equal(2, status);
        }
    }

    private ChildProcess Start(string errors) => new("sh", ["-c", $"exec {Repository.Binary} --config {ConfigPath} {errors}"]);

    private void Write(int port, string target, string application = "") =>
        File.WriteAllText(
            ConfigPath,
            application + $"server: {{ proxies: [ {{ name: web, listener: {{ address: '127.0.0.1:{port}' }}, targets: [ {{ name: a, address: '{target}' }} ] }} ] }}\n");

    private static Task<Socket> ConnectAsync(int port) => SocketWords.ConnectAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, port));

    private static bool Answers(int port) => Says(port).Length > 0;

    /// <summary>What a new connection answers to a word; nothing where there is none.</summary>
    private static string Says(int port)
    {
        try
        {
            using Socket client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp).Patient();
            client.Connect("127.0.0.1", port);
            client.Send("one"u8);
            byte[] answer = new byte[3];
            int bytes = client.Receive(answer);
            return Encoding.ASCII.GetString(answer, 0, bytes);
        }
        catch (SocketException)
        {
            return "";
        }
    }
}
