using System.Net;
using Bitflow.Domain;

namespace Bitflow.Net.Dialing;

/// <summary>What a lookup found: addresses, or why there are none.</summary>
internal readonly record struct Resolution(IReadOnlyList<IPAddress> Addresses, ResolveFault? Fault);
