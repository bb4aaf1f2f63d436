using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>A listener that cannot be had. The message is for people and stands behind the name of the proxy.</summary>
internal sealed class ListenException : Exception
{
    public ListenException()
    {
    }

    public ListenException(string message)
        : base(message)
    {
    }

    public ListenException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public ListenException(Address address, ListenFault fault, Exception? inner = null)
        : this($"{address}: {ListenFaultModule.Describe(fault)}", inner!) => Fault = fault;

    /// <summary>What was wrong, where that is not known by the message alone.</summary>
    public ListenFault? Fault { get; }

    /// <summary>Where a socket of this very process is in the way: the address by which that one was asked for.</summary>
    public Address? Holder { get; init; }

    /// <summary>The message and, where something of this process is in the way, what that is and what can be done.</summary>
    public string Describe(ReloadPlan plan, Address wanted) => Holder is null ? Message : $"{Message}: {ReloadReport.Obstacle(plan, wanted, Holder)}";
}
