using System.Net.Security;

namespace Bitflow.Net.Tls;

/// <summary>
/// Lets close_notify be made only while no read is at work inside SslStream. SslStream locks its reads and writes against each other, but
/// not its shutdown, and OpenSSL bears no second thread (measured: "Operation failed with error - 5", or a stream that just ends).
/// </summary>
/// <remarks>A read is at work except while it waits for the stream beneath; the stream says when that is.</remarks>
internal sealed class ShutdownTurn
{
    private readonly Lock _gate = new();
    private bool _reading;
    private SslStream? _wanted;
    private TaskCompletionSource<Task>? _started;

    /// <summary>A read begins to work, or goes on after it waited.</summary>
    public void EnterRead()
    {
        lock (_gate)
            _reading = true;
    }

    /// <summary>A read is done, or begins to wait for the stream beneath.</summary>
    public void LeaveRead()
    {
        TaskCompletionSource<Task>? started;
        Task? shutdown = null;
        lock (_gate)
        {
            _reading = false;
            started = _started;
            _started = null;
            if (_wanted is not null)
                shutdown = Begin(_wanted);
            _wanted = null;
        }

        if (shutdown is not null)
            started!.SetResult(shutdown);
    }

    /// <summary>Makes close_notify as soon as no read is at work, and completes when it has been handed on. To be called once.</summary>
    public async Task ShutdownAsync(SslStream ssl)
    {
        Task? shutdown = null;
        TaskCompletionSource<Task>? started = null;
        lock (_gate)
        {
            if (_reading)
            {
                _wanted = ssl;
                started = _started = new TaskCompletionSource<Task>();
            }
            else
            {
                shutdown = Begin(ssl);
            }
        }

        shutdown ??= await started!.Task.ConfigureAwait(false);
        await shutdown.ConfigureAwait(false);
    }

    private static Task Begin(SslStream ssl)
    {
        try
        {
            return ssl.ShutdownAsync();
        }
        catch (Exception e)
        {
            // Disposed meanwhile, for one: told to whoever asked, not to the read.
            return Task.FromException(e);
        }
    }
}
