using System.Buffers;
using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Managed;

namespace Bitflow.App.Commands;

/// <summary>`bitflow echo`: a target to try with, that sends back what comes, half-close included.</summary>
internal static class EchoCommand
{
    private const int BufferBytes = 64 * 1024;

    public static async Task<int> RunAsync(IReadOnlyCollection<Address> addresses)
    {
        using var signals = new Signals();
        using var engine = new ManagedEngine();
        var sockets = new List<ListeningSocket>();
        foreach (Address address in addresses)
        {
            try
            {
                sockets.AddRange(ListeningSocket.Open(address));
            }
            catch (ListenException e)
            {
                Screen.Complain(Tone.Bad, $"bitflow echo: cannot listen on {e.Message}");
                sockets.ForEach(s => s.Close());
                return ExitStatus.Failed;
            }
        }

        var acceptors = sockets.ConvertAll(socket => engine.Accept(socket, new EchoHandler()));
        foreach (ListeningSocket socket in sockets)
            Screen.Complain(Tone.Good, $"bitflow echo: listening on {socket.Local}");
        while (await signals.NextAsync().ConfigureAwait(false) is { IsStop: false, IsReload: false })
        {
            // Only an end means something here, and that the terminal hung up is one.
        }

        await Task.WhenAll(acceptors.Select(static a => a.CloseAsync())).ConfigureAwait(false);
        return ExitStatus.Done;
    }

    private sealed class EchoHandler : IAcceptHandler
    {
        public void OnAccepted(Connection connection) => _ = EchoAsync(connection);

        public void OnAcceptFault(IoFault fault) => Screen.Complain(Tone.Doubtful, $"bitflow echo: accepting failed: {IoFaults.Reason(fault)}");

        private static async Task EchoAsync(Connection connection)
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
            try
            {
                while (true)
                {
                    IoResult received = await connection.ReceiveAsync(buffer).ConfigureAwait(false);
                    if (received.Fault != IoFault.None)
                        break;
                    if (received.IsEnd)
                    {
                        await connection.EndAsync().ConfigureAwait(false);
                        break;
                    }

                    if (await connection.SendAllAsync(buffer.AsMemory(0, received.Bytes)).ConfigureAwait(false) != IoFault.None)
                        break;
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
                connection.Close();
            }
        }
    }
}
