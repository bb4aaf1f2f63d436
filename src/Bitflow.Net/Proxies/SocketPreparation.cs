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
        foreach (ProxyConfig config in preparation.Next.Config.Proxies)
            faults.AddRange(SocketsOf(config.Name).SelectMany(socket => Admission.Unusable(config.Listener, socket.Local)).Distinct().Select(why => $"proxy {config.Name}: {why}"));
    }

    private IEnumerable<ListeningSocket> SocketsOf(string proxy) =>
        preparation.Opened.Where(opened => opened.Proxy == proxy).Select(static opened => opened.Socket)
            .Concat(preparation.Kept.Where(kept => kept.Proxy == proxy).Select(static kept => kept.Listener.Socket));

    void ISocketHolder.Open(string proxy, Address address)
    {
        try
        {
            foreach (ListeningSocket socket in ListeningSocket.Open(address, giveUp))
                preparation.Opened.Add((proxy, socket));
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
            preparation.Kept.Add((proxy, listener));
    }

    void ISocketHolder.Close(string proxy) => preparation.Dropped.AddRange(_serving[proxy]);
}
