using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>Signals are heard whatever the process waits for, and however many come.</summary>
public sealed class SignalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("bitflow-signals-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_stop_does_not_wait_for_a_reload_whose_file_does_not_come()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(PlainProxy.To(echo.Address), "  admin: { address: '127.0.0.1:0' }\n");
        using System.Net.Sockets.Socket open = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await open.SendAllAsync("hello");
        Assert.Equal("hello", await open.ReadTextAsync(5));
        await File.WriteAllTextAsync(bitflow.ConfigPath, "server: { nothing: 1 }\n");
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("everything is as it was");
        await NamedPipe.ReplaceAsync(bitflow.ConfigPath);
        bitflow.Signal("HUP");
        await using FileStream silent = await NamedPipe.OpenToWriteAsync(bitflow.ConfigPath);
        await bitflow.SaysAsync("still reading it");
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("draining");

        // The last that was read was refused, and still is.
        using (var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") })
            Assert.Contains("bitflow_config_last_reload_successful 0\n", await http.GetStringAsync("/metrics"), StringComparison.Ordinal);
        open.Dispose();
        Assert.Equal(0, await bitflow.ExitAsync());
        Assert.Contains("was not taken on: Bitflow is about to end", bitflow.Errors, StringComparison.Ordinal);
        Assert.Contains("drained", bitflow.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_state_is_told_and_logs_are_rotated_while_a_reload_waits_for_its_file()
    {
        using Peer echo = Peer.Echo();
        string log = Path.Combine(_folder, "connections.log");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(PlainProxy.To(echo.Address) + $"\n  options: {{ connection_log: '{log}' }}");
        byte[] file = await File.ReadAllBytesAsync(bitflow.ConfigPath);
        await NamedPipe.ReplaceAsync(bitflow.ConfigPath);
        bitflow.Signal("HUP");
        await using (FileStream first = await NamedPipe.OpenToWriteAsync(bitflow.ConfigPath))
        {
            File.Move(log, log + ".1");
            bitflow.Signal("USR1");
            await Eventually.IsTrueAsync(() => File.Exists(log), () => $"the log is opened anew:\n{bitflow.Errors}");
            bitflow.Signal("USR2");
            await bitflow.SaysAsync("state: ");
            Assert.Equal(0, Reloads(bitflow));
            first.Write(file);
        }

        await bitflow.SaysAsync("is in force");
    }

    [Fact]
    public async Task A_stop_ends_a_start_whose_file_does_not_come()
    {
        string config = Path.Combine(_folder, "config.yaml");
        await NamedPipe.MakeAsync(config);
        using var bitflow = new ChildProcess(Repository.Binary, ["--config", config]);
        await using FileStream silent = await NamedPipe.OpenToWriteAsync(config);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>The file is read through a pipe: as long as that is held open the first reload lasts, and the others wait.</summary>
    [Fact]
    public async Task A_hundred_signals_to_reload_while_one_does_lead_to_one_more()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(PlainProxy.To(echo.Address));
        byte[] file = await File.ReadAllBytesAsync(bitflow.ConfigPath);
        await NamedPipe.ReplaceAsync(bitflow.ConfigPath);
        bitflow.Signal("HUP");
        await using (FileStream first = await NamedPipe.OpenToWriteAsync(bitflow.ConfigPath))
        {
            for (int i = 0; i < 100; i++)
                bitflow.Signal("HUP");

            // All of them have come by then: this one is answered beside the reload.
            bitflow.Signal("USR2");
            await bitflow.SaysAsync("state: ");
            File.Delete(bitflow.ConfigPath);
            await File.WriteAllBytesAsync(bitflow.ConfigPath, file);
            first.Write(file);
        }

        await Eventually.IsTrueAsync(() => Reloads(bitflow) == 2, () => $"two reloads; the log:\n{bitflow.Errors}");
        int states = States(bitflow);
        bitflow.Signal("USR2");
        await Eventually.IsTrueAsync(() => States(bitflow) > states, "the state is shown");
        Assert.Equal(2, Reloads(bitflow));
    }

    private static int States(BitflowProcess bitflow) => bitflow.Errors.Split("state: ").Length;

    private static int Reloads(BitflowProcess bitflow) => bitflow.Errors.Split("is in force").Length - 1;
}
