using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>Does what a plan says of the proxies' listening sockets, as far as it can be taken back: opens what is new, and notes what is kept and what is dropped.</summary>
/// <param name="preparation">The plan, and where what is opened or noted goes.</param>
/// <param name="listeners">What is listened on now.</param>
/// <param name="claim">The descriptors that are left for what is opened.</param>
/// <param name="faults">Gets every reason why a socket cannot be opened, behind the name of its proxy.</param>
/// <param name="giveUp">Fires where it is not wanted any more.</param>
internal sealed class SocketPreparation(
    Preparation preparation, IEnumerable<Listener> listeners, DescriptorClaim claim, List<string> faults, CancellationToken giveUp) : ISocketHolder
{
    private readonly ILookup<string, Listener> _serving = listeners.ToLookup(static listener => listener.Proxy.Model.Name, StringComparer.Ordinal);

    /// <exception cref="OperationCanceledException">It was given up.</exception>
    public void Run()
    {
        foreach (SocketStep step in preparation.Plan.Sockets)
            SocketStepModule.CarryOut(this, step);
    }

    void ISocketHolder.Open(string proxy, Address address)
    {
        try
        {
            foreach (ListeningSocket socket in ListeningSocket.Open(address, giveUp))
            {
                preparation.Opened.Add((proxy, socket));
                AskWhetherItServes(proxy, socket);
            }

            if (!address.IsInherited)
                claim.Opened(1);
        }
        catch (ListenException e)
        {
            faults.Add($"proxy {proxy}: cannot listen on {e.Describe(preparation.Plan, address)}");
        }
    }

    void ISocketHolder.Keep(string from, string proxy)
    {
        foreach (Listener listener in _serving[from])
        {
            preparation.Kept.Add((proxy, listener));
            AskWhetherItServes(proxy, listener.Socket);
        }
    }

    /// <summary>Of any other socket the file itself says of which kind it is.</summary>
    private void AskWhetherItServes(string proxy, ListeningSocket socket)
    {
        if (socket.Address.IsInherited && preparation.Next.Config.TryProxy(proxy) is { Value: { } config })
            faults.AddRange(Admission.Unusable(config.Listener, socket.Local).Select(why => $"proxy {proxy}: {why}").Except(faults));
    }

    void ISocketHolder.Close(string proxy) => preparation.Dropped.AddRange(_serving[proxy]);
}
