using System.Runtime.InteropServices;
using Bitflow.App.Terminal;
using Bitflow.Domain;

namespace Bitflow.App.Commands.Top;

/// <summary>
/// `bitflow top`: a running Bitflow in a terminal, through its admin server, refreshed once a second until `q` or Escape, or until the terminal is gone. A server that
/// goes away is waited for.
/// Where the output is no terminal, everything once and an end: for a look from a script.
/// </summary>
internal static class TopCommand
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    public static async Task<int> RunAsync(Address admin)
    {
        using var signals = new Signals();
        using var stop = new CancellationTokenSource();
        using var client = new TopClient(admin);
        _ = StopAtSignalAsync(signals, stop);
        try
        {
            // Whoever is not there at the start is a wrong address, not a server that went away.
            TopSample first = await client.ReadAsync(stop.Token).ConfigureAwait(false);
            if (Console.IsOutputRedirected)
                await PrintAsync(client, first, stop.Token).ConfigureAwait(false);
            else
                await WatchAsync(admin, client, first, stop).ConfigureAwait(false);
            return ExitStatus.Done;
        }
        catch (TopException e)
        {
            Screen.Complain(Tone.Bad, $"bitflow top: {admin}: {e.Message}");
            Screen.Complain(Tone.Bad, "Write the application.admin.address of a Bitflow that runs.");
            return ExitStatus.Failed;
        }
        catch (OperationCanceledException)
        {
            return ExitStatus.Done;
        }
        catch (IOException)
        {
            // The terminal is gone, and with it whoever looked.
            return ExitStatus.Done;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Two looks, so that there are rates to print.</summary>
    private static async Task PrintAsync(TopClient client, TopSample first, CancellationToken token)
    {
        await Task.Delay(Interval, token).ConfigureAwait(false);
        TopSample second = await client.ReadAsync(token).ConfigureAwait(false);
        IEnumerable<string> lines =
        [
            .. TopScreen.Proxies(second.Since(first), int.MaxValue).PlainLines(),
            "",
            .. TopScreen.Connections(second.Connections, int.MaxValue).PlainLines(),
        ];
        foreach (string line in lines)
            Screen.Say(line);
    }

    private static async Task WatchAsync(Address admin, TopClient client, TopSample first, CancellationTokenSource stop)
    {
        KeypadMode.Avoid();
        WatchKeys(stop);
        TopSample before = first;
        TopSample now = first;
        string problem = "";
        TopTerminal.Enter();

        using PosixSignalRegistration? stops = TopTerminal.LeaveWhileStopped();
        try
        {
            while (!stop.IsCancellationRequested)
            {
                TopTerminal.Show((width, height) => TopScreen.Whole(admin, now.Since(before), problem, width, height));
                await Task.Delay(Interval, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                try
                {
                    TopSample next = await client.ReadAsync(stop.Token).ConfigureAwait(false);
                    // After a silence there is no last second to compare with.
                    before = problem.Length > 0 ? next : now;
                    now = next;
                    problem = "";
                }
                catch (TopException e)
                {
                    problem = e.Message;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to end while a question was under way.
        }
        finally
        {
            TopTerminal.Leave();
        }
    }

    private static async Task StopAtSignalAsync(Signals signals, CancellationTokenSource stop)
    {
        try
        {
            while (await signals.NextAsync(stop.Token).ConfigureAwait(false) is { IsStop: false, IsReload: false })
            {
                // Only an end means something here, and that the terminal hung up is one.
            }

            await stop.CancelAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // It ended otherwise.
        }
    }

    /// <summary>On a thread of its own, which waits in a read that nothing ends; it goes with the process.</summary>
    private static void WatchKeys(CancellationTokenSource stop)
    {
        if (Console.IsInputRedirected)
            return;
        new Thread(() =>
        {
            try
            {
                ReadUntilEnd();
                stop.Cancel();
            }
            catch (Exception e) when (e is InvalidOperationException or ObjectDisposedException)
            {
                // Nothing to read keys from, or the command has ended; signals remain.
            }
        })
        { IsBackground = true, Name = "keys" }.Start();
    }

    private static void ReadUntilEnd()
    {
        try
        {
            while (Console.ReadKey(intercept: true) is { Key: not (ConsoleKey.Q or ConsoleKey.Escape) })
            {
                // No other key means something.
            }
        }
        catch (IOException)
        {
            // The terminal is gone.
        }
    }
}
