"""A supply network simulated: what is said of it, two engines of equal answers, closed forms, questions to the pool."""

from twins.supply.network.batch import Batch as Batch
from twins.supply.network.batch import Drawn as Drawn
from twins.supply.network.batch import Trace as Trace
from twins.supply.network.batch import predraw as predraw
from twins.supply.network.batch import run_batch as run_batch
from twins.supply.network.batch import run_drawn as run_drawn
from twins.supply.network.checking import check_network as check_network
from twins.supply.network.checking import read_network as read_network
from twins.supply.network.engine import SupplyNetwork as SupplyNetwork
from twins.supply.network.model import Compiled as Compiled
from twins.supply.network.model import compile_network as compile_network
from twins.supply.network.questions import Inputs as Inputs
from twins.supply.network.questions import Question as Question
from twins.supply.network.questions import Scenario as Scenario
from twins.supply.network.questions import read_question as read_question
from twins.supply.network.questions import strike as strike
from twins.supply.network.spec import Network as Network
