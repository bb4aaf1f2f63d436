using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>A listener that cannot be had. The message is for people and stands behind the name of the proxy.</summary>
internal sealed class ListenException(Address address, ListenFault fault, Exception? inner = null)
    : Exception($"{address}: {ListenFaultModule.Describe(fault)}", inner)
{
    public ListenFault Fault { get; } = fault;

    /// <summary>Where a socket of this very process is in the way: the address by which that one was asked for.</summary>
    public Address? Holder { get; init; }

    /// <summary>The message and, where something of this process is in the way, what that is and what can be done.</summary>
    public string Describe(ReloadPlan plan, Address wanted) => Holder is null ? Message : $"{Message}: {ReloadReport.Obstacle(plan, wanted, Holder)}";
}
