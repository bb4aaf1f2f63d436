using System.Runtime.InteropServices;
using System.Threading.Channels;
using Bitflow.Net.Linux;

namespace Bitflow.App;

/// <summary>
/// The signals of the process, in the order in which they came. Installed before anything else, so that a signal during start is never
/// the default one's death.
/// </summary>
internal sealed class Signals : IDisposable
{
    private const int Hangup = 1;
    private const int Interrupt = 2;
    private const PosixSignal Usr1 = (PosixSignal)10;
    private const PosixSignal Usr2 = (PosixSignal)12;

    private readonly Channel<PosixSignal> _seen = Channel.CreateUnbounded<PosixSignal>();
    private readonly PosixSignalRegistration[] _registrations;

    public Signals()
    {
        // What a shell starts in the background ignores SIGINT, what nohup starts ignores SIGHUP; here both mean something.
        Libc.StopIgnoring(Hangup);
        Libc.StopIgnoring(Interrupt);
        _registrations =
        [
            .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, Usr1, Usr2 }.Select(signal => PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                _seen.Writer.TryWrite(context.Signal);
            })),
        ];
    }

    /// <summary>Waits for the next signal.</summary>
    public async ValueTask<Signal> NextAsync(CancellationToken token = default)
    {
        PosixSignal signal = await _seen.Reader.ReadAsync(token).ConfigureAwait(false);
        return signal switch
        {
            PosixSignal.SIGHUP => Signal.Reload,
            Usr1 => Signal.ReopenLogs,
            Usr2 => Signal.DumpState,
            _ => Signal.Stop,
        };
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }
}
