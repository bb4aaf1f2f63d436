using System.Buffers;
using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Dialing;

/// <summary>
/// Carries out a SOCKS5 exchange on a connection to the proxy. Says and receives exactly what the machine asks for: a byte more could be
/// the target's (SK-12).
/// </summary>
internal static class SocksConversation
{
    /// <param name="waits">Told before each answer what is waited for.</param>
    /// <returns>Null once the proxy has connected us, else why not. The connection stays the caller's.</returns>
    public static async ValueTask<DialFault?> RunAsync(Connection proxy, DialRoute route, SocksDestination destination, Action<string> waits)
    {
        byte[] answer = ArrayPool<byte>.Shared.Rent(Socks5Exchange.maxAnswerBytes);
        try
        {
            SocksStep step = Socks5Exchange.Begin(route.Credentials, destination);
            Socks5? state = null;
            int start = 0;
            int end = 0;
            while (true)
            {
                switch (step)
                {
                    case SocksStep.Send send:
                        state = send.next;
                        waits(state.Waiting);
                        IoFault unsaid = await proxy.SendAllAsync(send.bytes).ConfigureAwait(false);
                        if (unsaid != IoFault.None)
                            return DialFault.NewSocksExchange(unsaid, state.Waiting);
                        start += send.consumed;
                        break;
                    case SocksStep.NeedMore more:
                        if (start > 0)
                        {
                            // One answer at a time: what came before it is done with.
                            answer.AsSpan(start, end - start).CopyTo(answer);
                            end -= start;
                            start = 0;
                        }

                        IoResult received = await proxy.ReceiveAsync(answer.AsMemory(end, more.atLeast)).ConfigureAwait(false);
                        if (received.IsEnd)
                            return DialFault.NewSocks(Socks5Exchange.Ended(state!));
                        if (received.Fault != IoFault.None)
                            return DialFault.NewSocksExchange(received.Fault, state!.Waiting);
                        end += received.Bytes;
                        break;
                    case SocksStep.Rejected rejected:
                        return DialFault.NewSocks(rejected.fault);
                    case SocksStep.Connected:
                        return null;
                    default:
                        throw new InvalidOperationException("a step that nobody carries out");
                }

                step = Socks5Exchange.Feed(state!, answer.AsSpan(start, end - start));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(answer);
        }
    }
}
