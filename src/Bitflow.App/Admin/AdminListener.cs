using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Bitflow.App.Admin;

/// <summary>
/// Accepts for Kestrel, whose own loop asks again at once where no descriptor is left, and so would take a whole processor until clients leave. This one
/// waits while descriptors are scarce; how many the admin server leaves is the core's to say (<see cref="DescriptorBudget"/>).
/// </summary>
internal sealed class AdminListener(ListeningSocket listening, SocketConnectionContextFactory connections) : IConnectionListener
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private readonly CancellationTokenSource _unbound = new();
    private readonly long _limit = Libc.DescriptorLimit();

    /// <summary>Since the number of an accepted socket said so, or accepting failed; whether it still is so is then looked up, which is dear.</summary>
    private bool _isScarce;
    private Socket? _accepting;

    public EndPoint EndPoint => listening.Socket.LocalEndPoint!;

    /// <returns>Null once nothing more is to be accepted.</returns>
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(_unbound.Token, cancellationToken);
        while (!end.IsCancellationRequested)
        {
            try
            {
                if (!_isScarce || DescriptorBudget.MayAdminAccept(_limit, Libc.DescriptorsInUse()))
                {
                    _accepting ??= AcceptingSocket.Of(listening);
                    Socket client = await _accepting.AcceptAsync(end.Token).ConfigureAwait(false);
                    await PoolThread.EnterAsync().ConfigureAwait(false);
                    _isScarce = !DescriptorBudget.MayAdminAccept(_limit, (int)client.Handle);
                    return connections.Create(client);
                }
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException or OutOfMemoryException)
            {
                // The last descriptor went to somebody else, a client has left the queue, or the end. Out of memory is how the platform says that the kernel has no epoll watch left.
                _isScarce = true;
            }

            await Task.Delay(LookAgain, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return null;
    }

    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default) => await _unbound.CancelAsync().ConfigureAwait(false);

    public async ValueTask DisposeAsync()
    {
        await UnbindAsync().ConfigureAwait(false);
        _unbound.Dispose();
        listening.Close();
        _accepting?.Dispose();
    }
}
